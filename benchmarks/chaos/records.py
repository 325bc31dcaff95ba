"""What is recorded of every request: when it began and ended, what was asked, what came of it.

One JSON line per request, written when its outcome is known. Times are of the machine's monotonic clock,
which all processes of one run share. Outcomes: `ok`; `refused` (a condition did not hold: that is an answer
too); `failed` (it certainly had no effect); `unknown` (nobody can say whether it had one).
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

OK, REFUSED, FAILED, UNKNOWN = "ok", "refused", "failed", "unknown"
READS = frozenset({"get", "head", "range", "list", "version", "versions"})
WRITES = frozenset({"put", "delete", "create", "replace", "copy", "multipart"})


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request.

    `token`: what a write writes, or what a read found (empty: no object). `expected`: the token that a
    conditional write was conditional on. `etag`, `version_id`: as the reply told, or as the write's bytes
    have it. `source`: the key that was copied. `body`: whose bytes a read found (as `token`, but for copies).
    `listed`: ETags by key under the prefix `key`. `problem`: what was wrong at first sight.
    """

    worker: str
    site: str
    operation: str
    bucket: str
    key: str
    began_s: float
    ended_s: float
    outcome: str
    code: str = ""
    token: str = ""
    expected: str = ""
    etag: str = ""
    version_id: str = ""
    source: str = ""
    body: str = ""
    size_bytes: int = 0
    listed: dict[str, str] | None = None
    problem: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether the client got a definite answer."""
        return self.outcome in {OK, REFUSED}


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the nemesis did: from `began_s` until `healed_s` (the same for a kill: nothing is held down)."""

    kind: str
    victims: tuple[str, ...]
    began_s: float
    healed_s: float
    note: str = ""

    @property
    def name(self) -> str:
        """As in `pause store.edge`."""
        return f"{self.kind} {' + '.join(self.victims)}"


def read_records(path: Path) -> Iterator[Record]:
    """Yield what a client wrote; a last line that was cut off is no record."""
    decode = msgspec.json.Decoder(Record).decode
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decode(line)
