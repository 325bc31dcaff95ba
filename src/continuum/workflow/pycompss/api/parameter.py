"""`from pycompss.api.parameter import IN, INOUT, FILE_IN, Type, Depth, …`.

Directions that are not supported can be imported, and are refused when a task uses them.
"""

from continuum.workflow import directions
from continuum.workflow.directions import (
    COLLECTION,
    COLLECTION_FILE,
    COLLECTION_FILE_IN,
    COLLECTION_IN,
    COMMUTATIVE,
    CONCURRENT,
    DICTIONARY,
    DICTIONARY_IN,
    FILE,
    FILE_COMMUTATIVE,
    FILE_CONCURRENT,
    FILE_IN,
    FILE_INOUT,
    FILE_OUT,
    IN,
    IN_DELETE,
    INOUT,
    OUT,
)

# The keys of the form {Type: COLLECTION_IN, Depth: 2}.
Type = directions.TYPE
Direction = directions.DIRECTION
Depth = directions.DEPTH
StdIOStream = "stdiostream"
Prefix = "prefix"
Weight = "weight"
Keep_rename = "keep_rename"
Cache = "cache"

globals().update(directions.UNSUPPORTED)

__all__ = [  # noqa: PLE0604 - and the unsupported ones, for `import *`
    "COLLECTION",
    "COLLECTION_FILE",
    "COLLECTION_FILE_IN",
    "COLLECTION_IN",
    "COMMUTATIVE",
    "CONCURRENT",
    "DICTIONARY",
    "DICTIONARY_IN",
    "FILE",
    "FILE_COMMUTATIVE",
    "FILE_CONCURRENT",
    "FILE_IN",
    "FILE_INOUT",
    "FILE_OUT",
    "IN",
    "INOUT",
    "IN_DELETE",
    "OUT",
    "Cache",
    "Depth",
    "Direction",
    "Keep_rename",
    "Prefix",
    "StdIOStream",
    "Type",
    "Weight",
    *directions.UNSUPPORTED,
]
