"""XML documents of S3, read safely.

A body becomes a tree of elements without namespaces. DTDs and entities are refused outright (so nothing can
be expanded or fetched), depth and size are bounded. What a document means is decided by the shapes of the
operation (`inputs`).
"""

from xml.parsers import expat

from continuum.store.errors import S3Error

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
"""More than 10,000 parts with checksums or 1,000 of the longest keys need."""

_MAX_DEPTH = 16


class Element:
    """An element: its local name, its attributes by their local names, its text and its children in order."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str] | None = None) -> None:
        self.name = name
        self.attributes = attributes or {}
        self.text = ""
        self.children: list[Element] = []


def parse_document(body: bytes) -> Element:
    """Return the root element. Raises `S3Error`: `MalformedXML`, or `MaxMessageLengthExceeded` if the body is
    too long."""
    if len(body) > MAX_DOCUMENT_BYTES:
        raise S3Error("MaxMessageLengthExceeded", extra={"MaxMessageLengthBytes": str(MAX_DOCUMENT_BYTES)})
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise S3Error("MalformedXML") from None
    return builder.root.children[0]


class _Builder:
    """Gathers expat's events into a tree."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _MAX_DEPTH:
            raise S3Error("MalformedXML")
        local = {each.rpartition(" ")[2]: text for each, text in attributes.items()}
        element = Element(name.rpartition(" ")[2], local)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def refuse(self, *_declaration: object) -> None:
        raise S3Error("MalformedXML")
