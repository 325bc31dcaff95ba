"""What a run tells: how much was done, what was broken, how available it was, how fast it recovered. Pure."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.chaos.checking import Findings, Violation
from benchmarks.chaos.records import OK, READS, UNKNOWN, WRITES, Fault, Record
from benchmarks.chaos.running import Run

SHOWN = 10
AFTER_KILL_S = 5.0


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """How it went under one kind of fault. `available` are the shares of requests begun during the fault
    that got an answer; for a kill: during the 5 s after it. `recovered_s`: from the heal to the first
    answers at all sites, of reads and of writes, median and worst."""

    kind: str
    times: int
    reads_available: float
    writes_available: float
    recovered_s: float
    worst_s: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as numbers."""

    seed: int
    seconds: float
    is_spread: bool
    operations: dict[str, dict[str, int]]
    total: int
    faults: int
    availability: float
    calm_availability: float
    recoveries: tuple[Recovery, ...]
    registers: int
    steps: int
    undecided: tuple[str, ...]
    violations: tuple[Violation, ...]
    codes: dict[str, int]
    verified: dict[str, int] | None
    verify_problem: str

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept, for certain."""
        return not self.violations and not self.undecided and not self.verify_problem and not self.verified


def summarise(run: Run, findings: Findings) -> Summary:
    """Return the summary of a run."""
    asked = [record for record in run.records if record.began_s < run.ended_s]
    operations: dict[str, Counter[str]] = defaultdict(Counter)
    for record in asked:
        operations[record.operation][record.outcome] += 1
    calm = [record for record in asked if not _is_in(record, run.faults)]
    return Summary(
        seed=run.seed,
        seconds=run.ended_s - run.began_s,
        is_spread=run.is_spread,
        operations={name: dict(counts) for name, counts in sorted(operations.items())},
        total=len(asked),
        faults=len(run.faults),
        availability=_share(asked),
        calm_availability=_share(calm),
        recoveries=tuple(_recover(kind, faults, asked) for kind, faults in _group(run.faults).items()),
        registers=findings.registers,
        steps=findings.steps,
        undecided=tuple(findings.undecided),
        violations=tuple(findings.violations),
        codes=dict(Counter(record.code for record in asked if record.code).most_common()),
        verified=run.verified,
        verify_problem=run.verify_problem,
    )


def _group(faults: Sequence[Fault]) -> dict[str, list[Fault]]:
    """Faults by kind; the sites are alike, so their victims are named without them."""
    groups: dict[str, list[Fault]] = defaultdict(list)
    for fault in sorted(faults, key=lambda fault: fault.began_s):
        names = sorted({name if "-" in name else name.partition(".")[0] for name in fault.victims})
        groups[f"{fault.kind} {' + '.join(names)}"].append(fault)
    return dict(sorted(groups.items()))


def _window(fault: Fault) -> tuple[float, float]:
    return fault.began_s, max(fault.healed_s, fault.began_s + AFTER_KILL_S)


def _is_in(record: Record, faults: Iterable[Fault]) -> bool:
    return any(begin - 1 <= record.began_s <= end + AFTER_KILL_S for begin, end in map(_window, faults))


def _share(records: Iterable[Record]) -> float:
    answered = [record.is_answered for record in records]
    return sum(answered) / len(answered) if answered else 1.0


def _recover(kind: str, faults: list[Fault], records: list[Record]) -> Recovery:
    during = [
        record
        for record in records
        if any(begin <= record.began_s <= end for begin, end in map(_window, faults))
    ]
    times = [_recovery_s(fault, records) for fault in faults]
    return Recovery(
        kind=kind,
        times=len(faults),
        reads_available=_share(record for record in during if record.operation in READS),
        writes_available=_share(record for record in during if record.operation in WRITES),
        recovered_s=statistics.median(times),
        worst_s=max(times),
    )


def _recovery_s(fault: Fault, records: list[Record]) -> float:
    """Return how long after the heal a read and a write that began then were answered at every site, and none
    that began before them failed any more."""
    times = [0.0]
    after = [record for record in records if fault.healed_s <= record.began_s < fault.healed_s + 30]
    for site in {record.site for record in records}:
        for kinds in (READS, WRITES):
            answers = [
                record.ended_s
                for record in after
                if record.site == site and record.operation in kinds and record.is_answered
            ]
            times.append(min(answers, default=fault.healed_s + 30) - fault.healed_s)
    return max(times)


def format_summary(summary: Summary) -> str:
    """Return the summary as text."""
    place = "two sites and a shaped link" if summary.is_spread else "one machine, no link"
    unknown = sum(counts.get(UNKNOWN, 0) for counts in summary.operations.values())
    answered = sum(counts.get(OK, 0) for counts in summary.operations.values())
    lines = [
        f"seed {summary.seed}, {summary.seconds:.0f} s, {place}",
        f"{summary.total:,} operations, {answered:,} done, {unknown:,} with unknown outcome; "
        f"{summary.faults} faults",
        f"answered: {summary.availability:.2%} of all, {summary.calm_availability:.3%} outside of faults",
        "",
        f"{'fault':<34}{'times':>6}{'reads':>9}{'writes':>9}{'recovered':>11}{'worst':>9}",
    ]
    lines += [
        f"{each.kind:<34}{each.times:>6}{each.reads_available:>9.1%}{each.writes_available:>9.1%}"
        f"{each.recovered_s:>9.2f} s{each.worst_s:>7.2f} s"
        for each in summary.recoveries
    ]
    lines += ["", *_format_operations(summary), "", *_format_verdict(summary)]
    return "\n".join(lines)


def _format_operations(summary: Summary) -> list[str]:
    outcomes = ("ok", "refused", "failed", "unknown")
    lines = [f"{'operation':<12}" + "".join(f"{outcome:>9}" for outcome in outcomes)]
    for name, counts in summary.operations.items():
        lines.append(f"{name:<12}" + "".join(f"{counts.get(outcome, 0):>9,}" for outcome in outcomes))
    codes = ", ".join(f"{code} {count:,}" for code, count in summary.codes.items())
    return [*lines, "", f"errors: {codes or 'none'}"]


def _format_verdict(summary: Summary) -> list[str]:
    lines = [f"checked: {summary.registers:,} registers, {summary.steps:,} steps"]
    if summary.undecided:
        lines.append(f"undecided (the search had too much to do): {', '.join(summary.undecided)}")
    if summary.verify_problem:
        lines.append(f"store verify: {summary.verify_problem}")
    elif summary.verified is not None:
        found = ", ".join(f"{count} {name}" for name, count in summary.verified.items())
        lines.append(f"store verify --deep: {found or 'all is well'}")
    if summary.is_good:
        lines.append("no promise was broken")
    for violation in summary.violations[:SHOWN]:
        lines += ["", f"BROKEN, {violation.kind}: {violation.bucket}/{violation.key}: {violation.what}"]
        lines += [f"    {format_record(record, violation.story[0].began_s)}" for record in violation.story]
    if len(summary.violations) > SHOWN:
        lines.append(f"… and {len(summary.violations) - SHOWN} more broken promises")
    return lines


def format_record(record: Record, from_s: float) -> str:
    """Return a request in a line; times from `from_s`."""
    shown = record.token or ("nothing" if record.outcome == OK and record.operation in READS else "")
    if record.operation == "list" and record.listed is not None:
        shown = f"{len(record.listed)} keys"
    parts = [
        f"{record.began_s - from_s:9.4f} … {record.ended_s - from_s:9.4f}",
        f"{record.worker:<12} {record.operation:<9} {record.key} {shown}",
        f"(if {record.expected})" if record.expected else "",
        f"-> {record.outcome} {record.code}".rstrip(),
    ]
    return " ".join(part for part in parts if part)
