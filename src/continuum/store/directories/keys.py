"""Keys of objects as paths of files, and back. Pure.

A key is the path of its file within the bucket's folder, byte for byte, so that people find a file where they
look for it and what lies there already needs no other name. Some keys cannot be paths (`a//b`, `../c`, a name
of more than 255 bytes, `a/b` where `a` is a file): their files lie elsewhere, under the key written in
characters that any file system takes, cut into pieces. Both ways are one-to-one.
"""

import re
from urllib.parse import quote, unquote

from continuum.model.objects import MAX_KEY_BYTES

MAX_NAME_BYTES = 255
PIECE = 200
LAST = "="  # ends the last piece, so that no file is in the way of a folder
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def split_key(key: str) -> tuple[str, ...] | None:
    """Return the names of folders and file that a key is the path of; None if it cannot be one."""
    names = tuple(key.split("/"))
    for name in names:
        if name in {"", ".", ".."} or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
            return None
    return names


def escape_key(key: str) -> tuple[str, ...]:
    """Return the names under which the file of a key lies that is no path."""
    text = quote(key, safe="")
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    return (*pieces[:-1], f"{pieces[-1]}{LAST}")


def unescape_key(names: tuple[str, ...]) -> str | None:
    """Return the key that `escape_key` gave these names; None if it gave them to none."""
    if not names:
        return None
    try:
        key = unquote("".join(names).removesuffix(LAST), errors="strict")
    except UnicodeDecodeError:
        return None
    return key if key and escape_key(key) == names else None


def read_name(raw: bytes) -> str | None:
    """Return a file's name as text; None if it is none (UTF-8 is demanded)."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def explain_unfit(key: str) -> str:
    """Return why a path cannot be the key of an object; empty if it can."""
    size_bytes = len(key.encode())
    if size_bytes > MAX_KEY_BYTES:
        return f"its path has {size_bytes} bytes, keys have {MAX_KEY_BYTES} at most"
    return ""


def is_writable_as_xml(key: str) -> bool:
    """Whether a list can name a key without `encoding-type=url`: XML 1.0 does not know every character."""
    return _NO_XML.search(key) is None
