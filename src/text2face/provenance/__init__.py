"""What an image says about its own making: the record, the mark of generated images, signatures."""

from text2face.provenance.record import (
    DIGITAL_SOURCE_TYPE,
    FORMATS,
    Record,
    Report,
    Signer,
    describe,
    encode,
    file_format,
    inspect,
    load_signer,
    read,
    told_by,
    write,
    write_edited,
    write_sheet,
)

__all__ = [
    "DIGITAL_SOURCE_TYPE",
    "FORMATS",
    "Record",
    "Report",
    "Signer",
    "describe",
    "encode",
    "file_format",
    "inspect",
    "load_signer",
    "read",
    "told_by",
    "write",
    "write_edited",
    "write_sheet",
]
