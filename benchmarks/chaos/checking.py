"""From a history to what was broken: registers, wrong bytes, versions, lists, agreement in the end.

Every key of a strong bucket is one register. A `get`, `head`, `range` reads it; a `list` reads every key
under its prefix (each at an instant of its own within the list: S3 promises no more); a copy reads its source
and writes its target. A refused condition is a read of a kind. What a server said with an error of its own
(5xx), and what the network swallowed, may have happened: at any time until `EFFECT_S` after the client gave
up, or never. No process holds a request that long: its own bounds and the longest pause are shorter.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.chaos.linearising import Guard, Step, find_faults
from benchmarks.chaos.records import OK, REFUSED, UNKNOWN, Record

EFFECT_S = 90.0
SHOWN = 14
_ABSENT_CODES = frozenset({"NoSuchKey", "404"})
Register = tuple[str, str]


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that was broken. `story` is the part of the history that shows it."""

    kind: str
    bucket: str
    key: str
    what: str
    story: tuple[Record, ...] = ()


class Findings(msgspec.Struct, kw_only=True):
    """What the checkers found, and how much they looked at."""

    violations: list[Violation] = []
    undecided: list[str] = []
    registers: int = 0
    steps: int = 0


def check(records: Sequence[Record]) -> Findings:
    """Check a whole history."""
    findings = Findings()
    for record in records:
        if record.problem:
            findings.violations.append(_violation("wrong bytes", record, record.problem))
    findings.violations += check_versions(records)
    findings.violations += check_agreement(records)
    registers, strange = collect_steps(records)
    findings.violations += strange
    for register, steps in sorted(registers.items()):
        findings.registers += 1
        findings.steps += len(steps)
        _check_register(records, register, steps, findings)
    return findings


def _check_register(
    records: Sequence[Record], register: Register, steps: list[Step], findings: Findings
) -> None:
    for verdict in find_faults(steps):
        assert verdict.witness is not None
        if not verdict.is_decided:
            findings.undecided.append("/".join(register))
            continue
        step = steps[verdict.witness]
        record = records[step.record]
        could = ", ".join(state or "no object" for state in verdict.states)
        what = f"{_describe(step)} at {record.site}; possible was: {could}"
        findings.violations.append(
            Violation(
                kind="not linearisable",
                bucket=register[0],
                key=register[1],
                what=what,
                story=tell_story(records, steps, verdict.witness),
            )
        )


def _describe(step: Step) -> str:
    value = step.value or "no object"
    if step.writes:
        return {
            Guard.IS: f"{step.target} replaced {value}",
            Guard.ABSENT: f"{step.target} was created where nothing was to be",
        }.get(step.guard, f"{step.target or 'a deletion'} was written")
    return {
        Guard.IS: f"{value} was read",
        Guard.ABSENT: "no object was read",
        Guard.PRESENT: "there was an object",
    }.get(step.guard, f"there was another object than {value}")


def tell_story(records: Sequence[Record], steps: list[Step], witness: int) -> tuple[Record, ...]:
    """Return the requests that show it: the last ones before the witness ended that wrote or saw something
    else, and the witness."""
    last = steps[witness]
    before = [step for step in steps if step.began_s <= last.ended_s and step is not last]
    writes = [step for step in before if step.writes and (step.is_certain or step.ended_s > last.began_s)]
    reads = [step for step in before if not step.writes]
    involved = [step for step in before if step.writes and step.target == last.value]
    chosen = {step.record for step in (*involved, *writes[-SHOWN:], *reads[-SHOWN // 2 :], last)}
    return tuple(records[index] for index in sorted(chosen, key=lambda index: records[index].began_s))


# ---- registers ----


def collect_steps(records: Sequence[Record]) -> tuple[dict[Register, list[Step]], list[Violation]]:
    """Return the steps of every register, and what nobody ever wrote."""
    registers: dict[Register, list[Step]] = defaultdict(list)
    tokens = _tokens_by_etag(records)
    written = {record.token for record in records if record.operation in _MAKERS}
    strange: list[Violation] = []
    keys = _keys(records)
    for index, record in enumerate(records):
        if record.operation == "list":
            strange += _read_list(registers, index, record, keys, tokens)
            continue
        if record.operation in _READERS and record.outcome == OK and record.token not in written | {""}:
            strange.append(_violation("never written", record, f"{record.token} was read"))
            continue
        for register, step in _list_steps(index, record, tokens):
            registers[register].append(step)
    for steps in registers.values():
        steps.sort(key=lambda step: step.began_s)
    return registers, strange


_MAKERS = frozenset({"put", "create", "replace", "copy", "multipart"})
_READERS = frozenset({"get", "head", "range"})


def _tokens_by_etag(records: Iterable[Record]) -> dict[tuple[str, str, str], str]:
    """Return who wrote what has an ETag, by bucket, key, ETag; copies have their source's and are left
    out."""
    return {
        (record.bucket, record.key, record.etag): record.token
        for record in records
        if record.operation in _MAKERS and record.operation != "copy" and record.etag
    }


def _keys(records: Iterable[Record]) -> dict[str, set[str]]:
    keys: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.operation in _MAKERS:
            keys[record.bucket].add(record.key)
    return keys


def _list_steps(
    index: int, record: Record, tokens: dict[tuple[str, str, str], str]
) -> Iterable[tuple[Register, Step]]:
    register = (record.bucket, record.key)
    step = Step(began_s=record.began_s, ended_s=record.ended_s, guard=Guard.ANY, record=index)
    if record.operation in _READERS:
        if record.outcome == OK:
            yield register, _reading(step, record.token)
        return
    if record.operation not in {*_MAKERS, "delete"}:
        return
    if record.outcome == REFUSED:
        yield register, _refused(step, record)
    elif record.outcome in {OK, UNKNOWN}:
        yield register, _writing(step, record)
        body = tokens.get((record.bucket, record.source, record.etag), "")
        if record.operation == "copy" and record.outcome == OK and body:
            yield (record.bucket, record.source), _reading(step, body)


def _reading(step: Step, token: str) -> Step:
    if not token:
        return msgspec.structs.replace(step, guard=Guard.ABSENT)
    return msgspec.structs.replace(step, guard=Guard.IS, value=token)


def _refused(step: Step, record: Record) -> Step:
    if record.operation == "copy":  # the source was refused; the target was not touched
        return step
    if record.code in _ABSENT_CODES:
        return msgspec.structs.replace(step, guard=Guard.ABSENT)
    if record.operation == "create":
        return msgspec.structs.replace(step, guard=Guard.PRESENT)
    return msgspec.structs.replace(step, guard=Guard.IS_ANOTHER, value=record.expected)


def _writing(step: Step, record: Record) -> Step:
    guard = {"create": Guard.ABSENT, "replace": Guard.IS}.get(record.operation, Guard.ANY)
    is_certain = record.outcome == OK
    return msgspec.structs.replace(
        step,
        guard=guard,
        value=record.expected if guard is Guard.IS else None,
        writes=True,
        target=record.token if record.operation != "delete" else None,
        is_certain=is_certain,
        ended_s=record.ended_s if is_certain else record.ended_s + EFFECT_S,
    )


def _read_list(
    registers: dict[Register, list[Step]],
    index: int,
    record: Record,
    keys: dict[str, set[str]],
    tokens: dict[tuple[str, str, str], str],
) -> list[Violation]:
    """A list reads every key under its prefix; return what it shows that nobody wrote."""
    if record.outcome != OK or record.listed is None:
        return []
    strange = [
        _violation("never written", record, f"{key} with ETag {etag} is listed")
        for key, etag in record.listed.items()
        if key not in keys[record.bucket]
    ]
    step = Step(began_s=record.began_s, ended_s=record.ended_s, record=index)
    for key in keys[record.bucket]:
        if not key.startswith(record.key):
            continue
        etag = record.listed.get(key, "")
        token = tokens.get((record.bucket, key, etag), "")
        if etag and not token:
            registers[record.bucket, key].append(msgspec.structs.replace(step, guard=Guard.PRESENT))
        else:
            registers[record.bucket, key].append(_reading(step, token))
    return strange


# ---- versions, and both sites in the end ----


def check_versions(records: Sequence[Record]) -> list[Violation]:
    """A version that was acknowledged has its bytes for ever, and is listed in the end."""
    known: dict[tuple[str, str, str], str] = {}
    for record in records:
        if record.operation in _MAKERS and record.outcome == OK and record.version_id:
            known[record.bucket, record.key, record.version_id] = record.token
    broken = []
    for record in records:
        if record.operation in {*_READERS, "version"} and record.version_id and record.outcome == OK:
            token = known.get((record.bucket, record.key, record.version_id))
            if token is not None and token != record.token:
                what = f"version {record.version_id} is {token}, and {record.token or 'nothing'} was read"
                broken.append(_violation("wrong version", record, what))
        elif record.operation == "versions" and record.outcome == OK and record.listed is not None:
            listed = {(record.bucket, key, number) for number, key in record.listed.items()}
            broken += [
                _violation("lost version", record, f"version {number} of {key}, {token}, is not listed")
                for (bucket, key, number), token in known.items()
                if bucket == record.bucket and (bucket, key, number) not in listed
            ]
    return broken


def check_agreement(records: Sequence[Record]) -> list[Violation]:
    """After the last write of a key all sites read the same."""
    seen: dict[Register, dict[str, Record]] = defaultdict(dict)
    for record in records:
        place = (record.bucket, record.key)
        if record.operation == "get" and record.outcome == OK and record.worker.startswith("final"):
            seen[place][record.site] = record
    return [
        Violation(
            kind="sites disagree",
            bucket=place[0],
            key=place[1],
            what=", ".join(f"{site}: {record.token or 'no object'}" for site, record in each.items()),
            story=tuple(each.values()),
        )
        for place, each in seen.items()
        if len({record.token for record in each.values()}) > 1
    ]


def _violation(kind: str, record: Record, what: str) -> Violation:
    return Violation(kind=kind, bucket=record.bucket, key=record.key, what=what, story=(record,))
