"""XMP packets: the IPTC mark of generated images, and a record for formats without text chunks."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

__all__ = ["DIGITAL_SOURCE_TYPE", "from_gif", "into_gif", "make", "read"]

DIGITAL_SOURCE_TYPE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
)
_IPTC: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_OURS: Final = "urn:text2face:1"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_IN_GIF: Final = b"\x21\xff\x0bXMP DataXMP"
"""The application extension that holds a packet, as it stands, in a GIF."""
_AFTER_GIF: Final = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
"""What lets readers that know nothing of XMP find the end of it."""
_LONGEST: Final = 2**22
_PACKET: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{rdf}">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="{iptc}"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"{record}
    Iptc4xmpExt:DigitalSourceType="{kind}"
    xmp:CreatorTool="text2face"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def make(record: str | None = None) -> str:
    """A packet that says "made by an algorithm", and holds a record if one is given (ASCII)."""
    ours = ""
    if record is not None:
        ours = f'\n    xmlns:text2face="{_OURS}"\n    text2face:record={quoteattr(record)}'
    return _PACKET.format(rdf=_RDF, iptc=_IPTC, record=ours, kind=DIGITAL_SOURCE_TYPE)


def read(packet: str | bytes) -> tuple[str | None, str | None]:
    """The digital source type and the record of a packet; None for what it lacks.

    A packet of another program is read too, whether it writes properties as attributes or elements.
    What is no XML, declares entities, or is longer than 4 MiB, says nothing.
    """
    if len(packet) > _LONGEST:
        return None, None
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet
    text = text.strip("\x00 \n")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None, None
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None, None
    found: dict[str, str | None] = {}
    for description in root.iter(f"{{{_RDF}}}Description"):
        found |= description.attrib
        found |= {child.tag: child.text for child in description}
    return found.get(f"{{{_IPTC}}}DigitalSourceType"), found.get(f"{{{_OURS}}}record")


def into_gif(file: bytes, packet: str) -> bytes:
    """A GIF with a packet before its end."""
    return file[:-1] + _IN_GIF + packet.encode() + _AFTER_GIF + file[-1:]


def from_gif(file: bytes) -> bytes:
    """The packet of a GIF; empty if there is none."""
    _, found, after = file.rpartition(_IN_GIF)
    return after.partition(_AFTER_GIF[:16])[0] if found else b""
