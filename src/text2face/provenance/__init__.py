"""Provenance of an image: its record, the mark of generated images, signatures."""

from text2face.provenance.reading import UNKNOWN_PIXELS, Report, embedded_json, inspect, read
from text2face.provenance.record import Record, make_record
from text2face.provenance.writing import (
    FORMATS,
    MOVING,
    Signer,
    check_sheet,
    check_size,
    encode_edited,
    encode_file,
    file_format,
    load_signer,
    write,
    write_edited,
    write_sheet,
)
from text2face.provenance.xmp import DIGITAL_SOURCE_TYPE

__all__ = [
    "DIGITAL_SOURCE_TYPE",
    "FORMATS",
    "MOVING",
    "UNKNOWN_PIXELS",
    "Record",
    "Report",
    "Signer",
    "check_sheet",
    "check_size",
    "embedded_json",
    "encode_edited",
    "encode_file",
    "file_format",
    "inspect",
    "load_signer",
    "make_record",
    "read",
    "write",
    "write_edited",
    "write_sheet",
]
