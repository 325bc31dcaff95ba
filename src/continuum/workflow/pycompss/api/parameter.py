"""`from pycompss.api.parameter import IN, INOUT, FILE_IN, Type, Depth, …`."""

from continuum.workflow import directions
from continuum.workflow.directions import (
    COLLECTION,
    COLLECTION_FILE,
    COLLECTION_FILE_IN,
    COLLECTION_FILE_INOUT,
    COLLECTION_FILE_OUT,
    COLLECTION_IN,
    COLLECTION_IN_DELETE,
    COLLECTION_INOUT,
    COLLECTION_OUT,
    COMMUTATIVE,
    CONCURRENT,
    DICTIONARY,
    DICTIONARY_IN,
    DICTIONARY_IN_DELETE,
    DICTIONARY_INOUT,
    DICTIONARY_OUT,
    DIRECTORY,
    DIRECTORY_IN,
    DIRECTORY_INOUT,
    DIRECTORY_OUT,
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
    STREAM_IN,
    STREAM_OUT,
)

# The keys of the form {Type: COLLECTION_IN, Depth: 2}.
Type = directions.TYPE
Direction = directions.DIRECTION
Depth = directions.DEPTH
StdIOStream = directions.STREAM
Prefix = directions.PREFIX
Weight = directions.WEIGHT
Keep_rename = directions.KEEP_RENAME
Cache = directions.CACHE
STDIN, STDOUT, STDERR = directions.STREAM_NAMES.values()

globals().update(directions.STREAMED)

__all__ = [  # noqa: PLE0604 - and those made from tables, for `import *`
    "COLLECTION",
    "COLLECTION_FILE",
    "COLLECTION_FILE_IN",
    "COLLECTION_FILE_INOUT",
    "COLLECTION_FILE_OUT",
    "COLLECTION_IN",
    "COLLECTION_INOUT",
    "COLLECTION_IN_DELETE",
    "COLLECTION_OUT",
    "COMMUTATIVE",
    "CONCURRENT",
    "DICTIONARY",
    "DICTIONARY_IN",
    "DICTIONARY_INOUT",
    "DICTIONARY_IN_DELETE",
    "DICTIONARY_OUT",
    "DIRECTORY",
    "DIRECTORY_IN",
    "DIRECTORY_INOUT",
    "DIRECTORY_OUT",
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
    "STDERR",
    "STDIN",
    "STDOUT",
    "STREAM_IN",
    "STREAM_OUT",
    "Cache",
    "Depth",
    "Direction",
    "Keep_rename",
    "Prefix",
    "StdIOStream",
    "Type",
    "Weight",
    *directions.STREAMED,
]
