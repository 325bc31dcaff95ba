"""Hypothesis strategies that draw parameters and results of S3 operations from botocore's model."""

import datetime as dt
import string
from functools import cache

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from hypothesis import strategies as st

SUPPORTED = (
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetObject",
    "GetObjectAttributes",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
)

# What XML 1.0 can hold (https://www.w3.org/TR/xml/#charsets).
xml_texts = st.text(
    st.characters(
        exclude_categories=("Cs",),
        exclude_characters=[*map(chr, {*range(32)} - {9, 10, 13}), "\ufffe", "\uffff"],
    ),
    max_size=12,
)
header_texts = st.text(string.ascii_letters + string.digits + "-_./+=: \"';", min_size=1, max_size=12).map(
    lambda text: text.strip() or "x"
)
query_texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
keys = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
buckets = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True)
seconds = st.integers(0, 4_000_000_000).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC))
milliseconds = st.builds(
    lambda instant, ms: instant.replace(microsecond=ms * 1000), seconds, st.integers(0, 999)
)
metadata = st.dictionaries(
    st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True), header_texts, min_size=1, max_size=3
)


@cache
def service_model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")


def operation_model(operation: str) -> OperationModel:
    return service_model().operation_model(operation)


def values(shape: Shape, location: str = ""):
    """Draw a value of a shape that travels in `location`."""
    if shape.type_name == "structure":
        return structures(shape)
    if shape.type_name == "list":
        size = {"min_size": 1} if location or shape.serialization.get("flattened") else {}
        return st.lists(values(shape.member, location), max_size=3, **size)
    if shape.type_name == "map":
        return metadata
    return _scalars(shape, location)


def _scalars(shape: Shape, location: str):
    if getattr(shape, "enum", None):
        return st.sampled_from(shape.enum)
    coarse = location or shape.serialization.get("timestampFormat") == "rfc822"
    texts = {"header": header_texts, "querystring": query_texts}.get(location, xml_texts)
    return {
        "string": texts,
        "integer": st.integers(0, 2**31 - 1),
        "long": st.integers(0, 2**63 - 1),
        "boolean": st.booleans(),
        "timestamp": seconds if coarse else milliseconds,
        "blob": st.just(b""),
    }[shape.type_name]


def structures(shape: Shape, *, skip: frozenset[str] = frozenset(), fixed: dict | None = None):
    """Draw a structure: required members always, others sometimes."""
    required, optional = {}, {}
    for name, member in shape.members.items():
        if name in skip or member.serialization.get("streaming"):
            continue
        strategy = (fixed or {}).get(name)
        if strategy is None:
            strategy = values(member, member.serialization.get("location", ""))
        (required if name in shape.required_members else optional)[name] = strategy
    return st.fixed_dictionaries(required, optional=optional)
