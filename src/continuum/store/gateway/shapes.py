"""S3's operations and their shapes, read from botocore's own service model.

The model is the vendor's description of S3 (`s3/service-2.json`), so names, places and types of all members
are right by construction. It is read directly into structs, not through `botocore.model`: that takes 7 ms and
1 MB of a gateway process instead of 118 ms and 14 MB, most of it documentation and imports that a server has
no use for. Read once, on first use.
"""

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import msgspec

XML_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Reference(msgspec.Struct, frozen=True, rename="camel"):
    """The use of a shape as a member. `location` is where it travels: uri, querystring, header, headers or
    (empty) the body."""

    shape: str
    location: str = ""
    location_name: str = ""
    flattened: bool = False
    streaming: bool = False
    xml_attribute: bool = False
    timestamp_format: str = ""


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """A type: structure, list, map or scalar."""

    type: str
    members: dict[str, Reference] = {}
    required: tuple[str, ...] = ()
    payload: str = ""
    member: Reference | None = None
    flattened: bool = False
    enum: tuple[str, ...] = ()
    timestamp_format: str = ""


class Http(msgspec.Struct, frozen=True, rename="camel"):
    """Method, path with query literals and status of an operation."""

    method: str
    request_uri: str
    response_code: int = 200


class Operation(msgspec.Struct, frozen=True):
    """One operation of S3."""

    name: str
    http: Http
    input: Reference | None = None
    output: Reference | None = None
    deprecated: bool = False


class Model(msgspec.Struct, frozen=True):
    """All of S3."""

    operations: dict[str, Operation]
    shapes: dict[str, Shape]


@cache
def s3_model() -> Model:
    """Return the model that the installed botocore carries."""
    model = msgspec.json.decode(_read_model(), type=Model)
    # botocore's own correction of the model (service-2.sdk-extras.json).
    model.shapes["Expires"] = Shape(type="timestamp")
    return model


def _read_model() -> bytes:
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("botocore is not installed; it carries S3's service model")
    path = Path(spec.origin).parent / "data" / "s3" / "2006-03-01" / "service-2.json"
    return path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())


@cache
def input_shape(operation: str) -> Shape:
    """Return the shape of an operation's parameters; an empty structure if it has none."""
    reference = s3_model().operations[operation].input
    return s3_model().shapes[reference.shape] if reference else Shape(type="structure")


@cache
def output_shape(operation: str) -> Shape:
    """Return the shape of an operation's result; an empty structure if it has none."""
    reference = s3_model().operations[operation].output
    return s3_model().shapes[reference.shape] if reference else Shape(type="structure")


def shape_of(reference: Reference) -> Shape:
    """Return the shape that a member refers to."""
    return s3_model().shapes[reference.shape]


def is_flattened(reference: Reference) -> bool:
    """Whether a list's items stand directly in the parent element, without an element around them."""
    return reference.flattened or shape_of(reference).flattened


def timestamp_format(reference: Reference) -> str:
    """Return `iso8601` or `rfc822`: as the model says, else as the place of the member implies."""
    given = reference.timestamp_format or shape_of(reference).timestamp_format
    return given or ("rfc822" if reference.location == "header" else "iso8601")
