"""What happened in a run, as records, and how a task's story is told to a person.

The graph makes the records, the driver writes them to the journal of the run, one JSON object a line; whoever
reads the journal later can rebuild every story and the picture of the graph from them. `at` is seconds since
the epoch, UTC.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event"):
    at: float


class Submitted(_Record, frozen=True, kw_only=True, tag="submitted"):
    """The program called a task. `reads` and `writes` are data (`d3v2`: value 3, version 2).

    `group` are the groups around the call, the outermost first, with slashes; `units` as its constraint says.
    """

    task: int
    function: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    waits_for: tuple[int, ...] = ()
    call: str = ""
    group: str = ""
    units: int = 1


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One site in the table that decided a placement. `excluded` says which hard constraint it fails, if any.

    The estimates are seconds: moving the inputs, waiting in the queue, executing; `is_assumed`: nothing is
    known yet of how long the function takes. Then what it would cost: money, energy, emissions (of executing
    and moving). `rank` is the place of the site in the order of the objective, 1 being the best.
    """

    site: str
    excluded: str = ""
    move_bytes: int = 0
    move_s: float = 0.0
    queue_s: float = 0.0
    run_s: float = 0.0
    is_assumed: bool = False
    price_eur: float = 0.0
    energy_j: float = 0.0
    carbon_g: float = 0.0
    rank: int = 0

    @property
    def total_s(self) -> float:
        """When the task would be done there, from now: inputs move while it waits in the queue."""
        return max(self.move_s, self.queue_s) + self.run_s


class Placed(_Record, frozen=True, kw_only=True, tag="placed"):
    """A site was chosen; `table` holds the estimates of the best sites unless there was nothing to compare.

    `ahead_s` is how much of the graph follows the task along the longest way, itself included (0: not
    looked at).
    """

    task: int
    attempt: int
    site: str
    reason: str
    table: tuple[Row, ...] = ()
    ahead_s: float = 0.0


class Started(_Record, frozen=True, kw_only=True, tag="started"):
    """A worker began."""

    task: int
    attempt: int


class Finished(_Record, frozen=True, kw_only=True, tag="finished"):
    """The outputs are there. `started_at` is the clock of the site, `run_s` the function alone."""

    task: int
    attempt: int
    site: str
    started_at: float = 0.0
    run_s: float = 0.0
    move_s: float = 0.0
    moved_bytes: int = 0
    output_bytes: int = 0
    worker: str = ""


class Failed(_Record, frozen=True, kw_only=True, tag="failed"):
    """One try did not finish. `decision` says what follows: retry, ignore, fail, cancel."""

    task: int
    attempt: int
    site: str
    kind: str
    message: str
    decision: str
    traceback: str = ""
    worker: str = ""


class Cancelled(_Record, frozen=True, kw_only=True, tag="cancelled"):
    """It will not run (any more)."""

    task: int
    reason: str


class Repeated(_Record, frozen=True, kw_only=True, tag="repeated"):
    """A finished task runs again because what it produced is lost and still needed."""

    task: int
    datum: str
    reason: str


class Remembered(_Record, frozen=True, kw_only=True, tag="remembered"):
    """The task had finished before the run was resumed: it does not run again unless its data are needed."""

    task: int


class Moved(_Record, frozen=True, kw_only=True, tag="moved"):
    """A datum of the run was put into the global store so that another site can read it."""

    datum: str
    site: str
    bytes: int


class Named(_Record, frozen=True, kw_only=True, tag="named"):
    """A datum is a file or an object with a name outside the run; `is_output`: a task writes it."""

    datum: str
    name: str
    is_output: bool = False


class SiteLost(_Record, frozen=True, kw_only=True, tag="site_lost"):
    """A site does not take part any more."""

    site: str
    reason: str


class SiteAway(_Record, frozen=True, kw_only=True, tag="site_away"):
    """A site is silent, or about to leave (`patience_s` 0); what it has counts, and it gets nothing new."""

    site: str
    reason: str
    patience_s: float = 0.0


class SiteJoined(_Record, frozen=True, kw_only=True, tag="site_joined"):
    """A site takes part, from the beginning or again."""

    site: str
    computing_units: int


class WorkersChanged(_Record, frozen=True, kw_only=True, tag="workers_changed"):
    """A site has so many workers for the run now, and why not as many as before."""

    site: str
    workers: int
    reason: str


class Synchronised(_Record, frozen=True, kw_only=True, tag="synchronised"):
    """The program waited: for `data`, or (empty) for everything."""

    data: tuple[str, ...] = ()


class HandedOver(_Record, frozen=True, kw_only=True, tag="handed_over"):
    """The whole program was handed to another runtime, which has the tasks; `command` started it."""

    engine: str
    command: tuple[str, ...]


Record = (
    Submitted
    | Placed
    | Started
    | Finished
    | Failed
    | Cancelled
    | Repeated
    | Remembered
    | Moved
    | Named
    | SiteLost
    | SiteAway
    | SiteJoined
    | WorkersChanged
    | Synchronised
    | HandedOver
)


def story_of(task_id: int, records: Iterable[Record]) -> list[Record]:
    """Return the records that concern one task, in order."""
    return [record for record in records if getattr(record, "task", None) == task_id]


class FunctionShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one function did at one site. `reason` is the one given most often for placing it there."""

    function: str
    site: str
    tasks: int
    mean_s: float
    moved_bytes: int
    reason: str


def by_function(records: Iterable[Record]) -> list[FunctionShare]:
    """Return who did what where, in the order of the functions' first calls."""
    functions: dict[int, str] = {}
    finished: dict[tuple[str, str], list[Finished]] = {}
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for record in records:
        if isinstance(record, Submitted):
            functions[record.task] = record.function
        elif isinstance(record, Placed):
            reasons.setdefault((functions[record.task], record.site), Counter())[record.reason] += 1
        elif isinstance(record, Finished):
            finished.setdefault((functions[record.task], record.site), []).append(record)
    return [
        FunctionShare(
            function=function,
            site=site,
            tasks=len(ends),
            mean_s=sum(end.run_s for end in ends) / len(ends),
            moved_bytes=sum(end.moved_bytes for end in ends),
            reason=reasons[function, site].most_common(1)[0][0],
        )
        for (function, site), ends in finished.items()
    ]


def tell(records: Iterable[Record]) -> list[str]:
    """Return one sentence per record, each with its time of day (UTC)."""
    return [f"{format_time(record.at)}  {sentence(record)}" for record in records]


def format_time(at: float) -> str:
    """Return a time of day with milliseconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def sentence(record: Record) -> str:
    """Return a record as a sentence."""
    match record:
        case Submitted():
            return _submitted(record)
        case Placed():
            again = f" (try {record.attempt})" if record.attempt > 1 else ""
            return f"placed at {record.site}{again}: {record.reason}"
        case Finished():
            return _finished(record)
        case Failed():
            return (
                f"failed at {record.site or 'no site'} ({record.kind}): {record.message}; {record.decision}"
            )
        case HandedOver():
            return f"the program was handed to {record.engine}: {' '.join(record.command)}"
        case _:
            return _other_sentence(record)


def _submitted(record: Submitted) -> str:
    after = ", waiting for task " + ", ".join(map(str, record.waits_for)) if record.waits_for else ""
    return f"called as {record.call or record.function}{after}"


def _finished(record: Finished) -> str:
    moved = f", {format_bytes(record.moved_bytes)} came from other sites" if record.moved_bytes else ""
    return f"finished at {record.site} in {format_seconds(record.run_s)}{moved}"


def _other_sentence(record: Record) -> str:
    text = ""
    match record:
        case Started():
            text = "started"
        case Cancelled():
            text = f"cancelled: {record.reason}"
        case Repeated():
            text = f"runs again for {record.datum}: {record.reason}"
        case Remembered():
            text = "had finished before the run was resumed"
        case Moved():
            text = f"{record.datum} ({format_bytes(record.bytes)}) was published from {record.site}"
        case Named():
            text = f"{record.datum} is {'written as' if record.is_output else 'read from'} {record.name}"
        case SiteLost() | SiteAway() | SiteJoined() | WorkersChanged():
            text = f"site {record.site} {_of_site(record)}"
        case Synchronised():
            text = f"the program waited for {', '.join(record.data) or 'everything'}"
    return text


def _of_site(record: SiteLost | SiteAway | SiteJoined | WorkersChanged) -> str:
    match record:
        case SiteAway() if record.patience_s:
            return f"is silent: {record.reason}; waited for up to {format_seconds(record.patience_s)}"
        case SiteAway():
            return f"leaves: {record.reason}"
        case SiteLost():
            return f"was lost: {record.reason}"
        case SiteJoined():
            return f"takes part with {record.computing_units} computing units"
        case WorkersChanged():
            return f"has {record.workers} workers: {record.reason}"


def format_seconds(seconds: float) -> str:
    """Return a duration for people: 0.4 ms, 35 ms, 2.1 s, 3 min 20 s."""
    milliseconds = seconds * 1000
    if milliseconds < _LEAST_MS:
        return "< 0.1 ms" if milliseconds > 0 else "0 s"
    if milliseconds < _TENTHS_BELOW_MS:
        return f"{milliseconds:.1f} ms"
    if milliseconds < _MS_PER_S:
        return f"{milliseconds:.0f} ms"
    if seconds < _S_PER_MIN:
        return f"{seconds:.1f} s"
    return f"{int(seconds // _S_PER_MIN)} min {int(seconds % _S_PER_MIN)} s"


def format_eur(price_eur: float) -> str:
    """Return a price for people: 0, 14 µ€, 1.4 m€, 0.12 €."""
    if price_eur == 0:
        return "0"
    for unit, factor in (("µ€", 1e6), ("m€", 1e3)):
        if price_eur * factor < _MS_PER_S / 10:
            return f"{price_eur * factor:.3g} {unit}"
    return f"{price_eur:.2f} €"


def format_energy(energy_j: float) -> str:
    """Return an energy for people: 0.5 J, 12 kJ, 1.2 kWh."""
    if energy_j < _STEP:
        return f"{energy_j:.3g} J"
    if energy_j < _J_PER_KWH:
        return f"{energy_j / _STEP:.3g} kJ"
    return f"{energy_j / _J_PER_KWH:.3g} kWh"


def format_carbon(carbon_g: float) -> str:
    """Return emissions for people: 0.2 mg, 3 g, 1.2 kg of CO2 equivalents."""
    for unit, factor in (("mg", 1e3), ("g", 1.0)):
        if carbon_g * factor < _STEP:
            return f"{carbon_g * factor:.3g} {unit}"
    return f"{carbon_g / _STEP:.3g} kg"


def format_bytes(size_bytes: int) -> str:
    """Return a size for people, in decimal units: 12 B, 3.4 kB, 120 MB."""
    if size_bytes < _STEP:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        size /= _STEP
        if size < _STEP:
            return f"{size:.3g} {unit}"
    return f"{size / _STEP:.1f} TB"


_LEAST_MS = 0.05
_TENTHS_BELOW_MS = 10
_MS_PER_S = 1000
_S_PER_MIN = 60
_STEP = 1000
_J_PER_KWH = 3.6e6
