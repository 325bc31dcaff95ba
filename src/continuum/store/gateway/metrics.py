"""What a gateway counts, and Prometheus' text form of it.

Plain integers on the data path (an increment costs a tenth of a prometheus-client one); the text is made
when somebody asks. Several processes of one gateway leave their counts in files of a shared folder, and
whoever is asked adds them up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

_HELP = {
    "continuum_gateway_requests_total": "Requests by operation and HTTP status.",
    "continuum_gateway_read_bytes_total": "Bytes of objects read from stores, by site of the store.",
    "continuum_gateway_written_bytes_total": "Bytes of objects written to the own store.",
    "continuum_gateway_copies_total": "Copies made on read, by outcome (kept, dropped).",
    "continuum_gateway_copied_bytes_total": "Bytes of copies that were kept.",
    "continuum_gateway_placed_total": "Copies that policies asked for, by outcome (made, failed).",
    "continuum_gateway_exports_total": "Versions put into other sites' stores, when asked, by outcome.",
    "continuum_gateway_brought_total": "Versions that other gateways were asked to bring here, by outcome.",
    "continuum_gateway_collected_total": "Physical objects and uploads removed as garbage.",
    "continuum_gateway_failovers_total": "Reads that went on with another replica.",
    "continuum_gateway_corrupt_segments_total": "Segments of encrypted objects that did not open.",
    "continuum_gateway_blocks_total": "Blocks that reads got to, by outcome (hit, joined, fetched).",
    "continuum_gateway_block_fetches_total": "Reads from other sites' stores that filled blocks.",
    "continuum_gateway_block_cache_bytes": "Bytes of blocks that are kept, as of the last look.",
    "continuum_gateway_locator_requests_total": "Round trips to the locator.",
    "continuum_gateway_journal_records": "Changes made without the hub that wait to be replayed.",
    "continuum_gateway_connections": "Open connections of clients.",
}


class Counts(msgspec.Struct, kw_only=True):
    """The counts of one process."""

    requests: dict[str, int] = {}
    read_bytes: dict[str, int] = {}
    written_bytes: int = 0
    copies: dict[str, int] = {}
    copied_bytes: int = 0
    placed: dict[str, int] = {}
    exports: dict[str, int] = {}
    brought: dict[str, int] = {}
    collected: int = 0
    failovers: int = 0
    corrupt_segments: int = 0
    blocks: dict[str, int] = {}
    block_fetches: int = 0
    block_cache_bytes: int = 0
    locator_requests: int = 0
    journal_records: int = 0
    connections: int = 0

    def count_request(self, operation: str, status: int) -> None:
        """One more request was answered."""
        key = f"{operation} {status}"
        self.requests[key] = self.requests.get(key, 0) + 1

    def count_read(self, site: str, size_bytes: int) -> None:
        """Bytes were read from the store of a site."""
        self.read_bytes[site] = self.read_bytes.get(site, 0) + size_bytes

    def count_copy(self, outcome: str) -> None:
        """A copy on read ended."""
        self.copies[outcome] = self.copies.get(outcome, 0) + 1

    def count_placed(self, outcome: str) -> None:
        """A copy that a policy asked for was made or failed."""
        self.placed[outcome] = self.placed.get(outcome, 0) + 1

    def count_export(self, outcome: str) -> None:
        """Bytes that another gateway asked for were put into its store, or not."""
        self.exports[outcome] = self.exports.get(outcome, 0) + 1

    def count_brought(self, outcome: str) -> None:
        """Another gateway brought bytes out for this one, or did not."""
        self.brought[outcome] = self.brought.get(outcome, 0) + 1

    def count_block(self, outcome: str) -> None:
        """A read got to a block."""
        self.blocks[outcome] = self.blocks.get(outcome, 0) + 1


def add_up(all_counts: list[Counts]) -> Counts:
    """Return the sums."""
    return Counts(
        requests=_sum(counts.requests for counts in all_counts),
        read_bytes=_sum(counts.read_bytes for counts in all_counts),
        written_bytes=sum(counts.written_bytes for counts in all_counts),
        copies=_sum(counts.copies for counts in all_counts),
        copied_bytes=sum(counts.copied_bytes for counts in all_counts),
        placed=_sum(counts.placed for counts in all_counts),
        exports=_sum(counts.exports for counts in all_counts),
        brought=_sum(counts.brought for counts in all_counts),
        collected=sum(counts.collected for counts in all_counts),
        failovers=sum(counts.failovers for counts in all_counts),
        corrupt_segments=sum(counts.corrupt_segments for counts in all_counts),
        blocks=_sum(counts.blocks for counts in all_counts),
        block_fetches=sum(counts.block_fetches for counts in all_counts),
        block_cache_bytes=max((counts.block_cache_bytes for counts in all_counts), default=0),
        locator_requests=sum(counts.locator_requests for counts in all_counts),
        journal_records=max((counts.journal_records for counts in all_counts), default=0),  # one for all
        connections=sum(counts.connections for counts in all_counts),
    )


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def format_metrics(counts: Counts, *, site: str) -> str:
    """Return the text that Prometheus scrapes."""
    lines: list[str] = []

    def add(name: str, kind: str, values: Mapping[str, int]) -> None:
        lines.append(f"# HELP {name} {_HELP[name]}\n# TYPE {name} {kind}\n")
        lines.extend(f'{name}{{site="{site}"{labels}}} {value}\n' for labels, value in sorted(values.items()))

    requests = {}
    for key, value in counts.requests.items():
        operation, status = key.split(" ")
        requests[f',operation="{operation}",status="{status}"'] = value
    add("continuum_gateway_requests_total", "counter", requests)
    add("continuum_gateway_read_bytes_total", "counter", _label("source_site", counts.read_bytes))
    add("continuum_gateway_written_bytes_total", "counter", {"": counts.written_bytes})
    add("continuum_gateway_copies_total", "counter", _label("outcome", counts.copies))
    add("continuum_gateway_copied_bytes_total", "counter", {"": counts.copied_bytes})
    add("continuum_gateway_placed_total", "counter", _label("outcome", counts.placed))
    add("continuum_gateway_exports_total", "counter", _label("outcome", counts.exports))
    add("continuum_gateway_brought_total", "counter", _label("outcome", counts.brought))
    add("continuum_gateway_collected_total", "counter", {"": counts.collected})
    add("continuum_gateway_failovers_total", "counter", {"": counts.failovers})
    add("continuum_gateway_corrupt_segments_total", "counter", {"": counts.corrupt_segments})
    add("continuum_gateway_blocks_total", "counter", _label("outcome", counts.blocks))
    add("continuum_gateway_block_fetches_total", "counter", {"": counts.block_fetches})
    add("continuum_gateway_block_cache_bytes", "gauge", {"": counts.block_cache_bytes})
    add("continuum_gateway_locator_requests_total", "counter", {"": counts.locator_requests})
    add("continuum_gateway_journal_records", "gauge", {"": counts.journal_records})
    add("continuum_gateway_connections", "gauge", {"": counts.connections})
    return "".join(lines)


def _label(label: str, values: Mapping[str, int]) -> dict[str, int]:
    return {f',{label}="{name}"': value for name, value in values.items()}
