"""Following lifecycle rules: versions and uploads that are due are found by readers, page by page, and
removed by the writer, key by key.

What a reader found is only a hint. The transaction that removes reads rules and versions again and decides
again by the same function, so that nothing is removed which was written, tagged or released from its rule
meanwhile. Deleting is the same as when a client asks for it: delete markers where versions are kept, locks
respected.
"""

import itertools
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, bindparam, select

from continuum.model.lifecycle import (
    Above,
    Action,
    Aged,
    Decision,
    Rules,
    decide,
    find_aborting_rule,
    parse_rules,
)
from continuum.model.objects import NULL_VERSION, Attributes, Bucket, Setting
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import find_bucket
from continuum.store.locator.index.listing import LIST_UPLOADS, NEWEST, select_page
from continuum.store.locator.index.objects import delete_item
from continuum.store.locator.index.paging import end_of_prefix, first_after
from continuum.store.locator.index.telling import LIFECYCLE
from continuum.store.locator.index.uploads import end_upload, to_upload
from continuum.store.locator.index.versions import find_newest
from continuum.store.locator.messages import Delete, DeleteItem, LifecycleCounts, LifecycleLine, Origin
from continuum.store.locator.schema import versions

PAGE_ROWS = 1000

_AGED = (
    versions.c.key,
    versions.c.number,
    versions.c.modified_at,
    versions.c.size_bytes,
    versions.c.is_delete_marker,
    versions.c.attributes,
    versions.c.version_id,
    versions.c.is_null,
)
LIST_AGED = Statement(select_page(*_AGED))
LIST_AGED_OF_KEY = Statement(
    select(*_AGED)
    .where(
        versions.c.bucket == bindparam("bucket"),
        versions.c.ended_at.is_(None),
        versions.c.key == bindparam("key"),
        versions.c.number < bindparam("below", type_=BigInteger),
    )
    .order_by(versions.c.number.desc())
    .limit(bindparam("count", type_=BigInteger))
)

_decode_attributes = msgspec.msgpack.Decoder(Attributes).decode


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Versions of one key below a number, and what is above them; most keys are one piece."""

    key: str
    below: int = NEWEST
    above_count: int = 0
    above_modified_at: float = 0.0

    @property
    def above(self) -> Above:
        """What is newer than the piece."""
        return Above(self.above_count, self.above_modified_at)


class Found(msgspec.Struct, frozen=True):
    """A page of a bucket's versions: the pieces with something to do, and where the next page begins."""

    pieces: tuple[Piece, ...]
    lines: tuple[LifecycleLine, ...]
    versions: int
    following: Piece | None


class Done(msgspec.Struct, frozen=True):
    """What a transaction did. `keys` are what gateways must forget."""

    counts: LifecycleCounts
    lines: tuple[LifecycleLine, ...]
    keys: tuple[str, ...] = ()


def find_rules(connection: Connection, name: str) -> tuple[Bucket | None, Rules]:
    """Return a bucket and its rules; none if it is gone or has none."""
    bucket = find_bucket(connection, name)
    document = bucket.settings.get(Setting.LIFECYCLE) if bucket is not None else None
    return bucket, parse_rules(document) if document is not None else ()


def common_prefix(rules: Rules) -> str:
    """Return the prefix of all keys that the rules may be about."""
    prefixes = [rule.prefix or "" for rule in rules if rule.is_enabled]
    if not prefixes:
        return ""
    first, last = min(prefixes), max(prefixes)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(left for left, _ in same)


def find_due(connection: Connection, bucket: str, rules: Rules, start: Piece | None, *, now: float) -> Found:
    """Look at a page of versions from `start` on."""
    prefix = common_prefix(rules)
    start = start or Piece(prefix)
    rows = connection.rows(
        LIST_AGED,
        bucket=bucket,
        start=start.key,
        below=start.below,
        end=end_of_prefix(prefix),
        count=PAGE_ROWS,
    )
    pieces: list[Piece] = []
    lines: list[LifecycleLine] = []
    following: Piece | None = None
    looked_at = 0
    for key, group in itertools.groupby(rows, key=lambda row: row[0]):
        found = list(group)
        piece = start if key == start.key else Piece(key)
        is_cut = len(rows) == PAGE_ROWS and found[-1] is rows[-1]
        if is_cut and len(found) < PAGE_ROWS:  # the key is looked at as a whole, in the next page
            following = piece
            break
        decisions = _decide(rules, piece, found, now, is_end=not is_cut)
        looked_at += len(found)
        if decisions:
            pieces.append(piece)
            lines += _lines(key, found, decisions)
        if is_cut:
            following = Piece(key, found[-1][1], piece.above_count + len(found), found[-1][2])
    return Found(tuple(pieces), tuple(lines), looked_at, following)


def _decide(
    rules: Rules, piece: Piece, rows: Sequence[Sequence[Any]], now: float, *, is_end: bool
) -> tuple[Decision, ...]:
    return decide(rules, piece.key, [_aged(row) for row in rows], now, above=piece.above, is_end=is_end)


def _aged(row: Sequence[Any]) -> Aged:
    _, number, modified_at, size_bytes, is_delete_marker, attributes, _, _ = row
    return Aged(
        number=number,
        modified_at=modified_at,
        size_bytes=size_bytes,
        is_delete_marker=bool(is_delete_marker),
        tags=_decode_attributes(attributes).tags if attributes else {},
    )


def _public_id(row: Sequence[Any]) -> str:
    return NULL_VERSION if row[7] else str(row[6])


def _lines(
    key: str, rows: Sequence[Sequence[Any]], decisions: Sequence[Decision]
) -> tuple[LifecycleLine, ...]:
    ids = {row[1]: _public_id(row) for row in rows}
    return tuple(
        LifecycleLine(decision.action.value, key, ids[decision.number], decision.rule_id)
        for decision in decisions
    )


def expire_pieces(
    connection: Connection, name: str, pieces: Sequence[Piece], *, at: float, now: float, grace_s: float
) -> Done:
    """Do what the rules say at the instant `at` about these pieces, decided anew."""
    bucket, rules = find_rules(connection, name)
    lines: list[LifecycleLine] = []
    counts = LifecycleCounts()
    if bucket is not None and rules:
        for piece in pieces:
            done = _expire(connection, bucket, rules, piece, at=at, now=now, grace_s=grace_s)
            lines += done.lines
            counts = add_counts(counts, done.counts)
    return Done(counts, tuple(lines), tuple(dict.fromkeys(line.key for line in lines)))


def _expire(
    connection: Connection,
    bucket: Bucket,
    rules: Rules,
    piece: Piece,
    *,
    at: float,
    now: float,
    grace_s: float,
) -> Done:
    counts = LifecycleCounts()
    newest = find_newest(connection, bucket.name, piece.key) if piece.above_count else None
    if piece.above_count and (newest is None or newest.number < piece.below):
        return Done(counts, ())  # what was above is gone: the next run sees it as it is now
    rows = connection.rows(
        LIST_AGED_OF_KEY, bucket=bucket.name, key=piece.key, below=piece.below, count=PAGE_ROWS
    )
    decisions = _decide(rules, piece, rows, at, is_end=len(rows) < PAGE_ROWS)
    ids = {row[1]: _public_id(row) for row in rows}
    done: list[Decision] = []
    request = Delete(
        session_id="", bucket=bucket.name, objects=(), owner=bucket.owner, origin=Origin(LIFECYCLE)
    )
    for decision in reversed(decisions):  # the oldest first: what is left if this is cut off is in order
        item = _item(piece.key, decision, ids)
        result = delete_item(connection, bucket, item, request, now=now, grace_s=grace_s)
        counts = add_counts(counts, _count(decision.action, is_locked=bool(result.error_code)))
        if not result.error_code:
            done.append(decision)
    return Done(counts, _lines(piece.key, rows, done))


def _item(key: str, decision: Decision, ids: dict[int, str]) -> DeleteItem:
    if decision.action is Action.EXPIRE:
        return DeleteItem(key=key, marker_id=secrets.token_hex(16))
    return DeleteItem(key=key, version_id=ids[decision.number])


def _count(action: Action, *, is_locked: bool) -> LifecycleCounts:
    if is_locked:
        return LifecycleCounts(locked=1)
    return {
        Action.EXPIRE: LifecycleCounts(expired=1),
        Action.REMOVE: LifecycleCounts(removed=1),
        Action.REMOVE_MARKER: LifecycleCounts(removed_markers=1),
    }[action]


def add_counts(first: LifecycleCounts, second: LifecycleCounts) -> LifecycleCounts:
    """Return the sums."""
    return LifecycleCounts(
        **{name: getattr(first, name) + getattr(second, name) for name in first.__struct_fields__}
    )


def count_lines(lines: Sequence[LifecycleLine]) -> LifecycleCounts:
    """Return what these lines would be in counts."""
    counts = LifecycleCounts()
    for line in lines:
        counts = add_counts(counts, _count(Action(line.action), is_locked=False))
    return counts


# ---- uploads ----


class FoundUploads(msgspec.Struct, frozen=True):
    """A page of uploads: those to abort, and where the next page begins (none: no more)."""

    lines: tuple[LifecycleLine, ...]
    uploads: int
    following: tuple[str, str] | None


def find_due_uploads(
    connection: Connection, bucket: str, rules: Rules, start: tuple[str, str], *, now: float
) -> FoundUploads:
    """Look at a page of uploads from `start` on; each line's version id is the upload's id."""
    prefix = common_prefix(rules)
    rows = connection.rows(
        LIST_UPLOADS,
        bucket=bucket,
        start=max(start[0], prefix),
        start_id=start[1] if start[0] >= prefix else "",
        end=end_of_prefix(prefix),
        count=PAGE_ROWS,
    )
    uploads = [to_upload(tuple(row[1:])) for row in rows]
    lines = tuple(
        LifecycleLine("abort", upload.key, upload.upload_id, rule_id)
        for upload in uploads
        if (rule_id := find_aborting_rule(rules, upload.key, upload.created_at, now)) is not None
    )
    last = uploads[-1] if len(rows) == PAGE_ROWS else None
    following = (last.key, first_after(last.upload_id)) if last is not None else None
    return FoundUploads(lines, len(uploads), following)


def abort_uploads(
    connection: Connection,
    name: str,
    lines: Sequence[LifecycleLine],
    *,
    at: float,
    now: float,
    grace_s: float,
) -> Done:
    """Abort these uploads, if the rules still say so; what they left becomes garbage."""
    _, rules = find_rules(connection, name)
    done = tuple(
        line
        for line in lines
        if end_upload(
            connection,
            line.version_id,
            lambda upload: find_aborting_rule(rules, upload.key, upload.created_at, at) is not None,
            now=now,
            grace_s=grace_s,
        )
    )
    return Done(LifecycleCounts(aborted=len(done)), done)
