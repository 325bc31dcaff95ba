"""What differs between two runs: how long, what ran where, what moved, what it was made of, and the results.

Functions are compared by name. Code is compared file by file as it was kept; results are the files and
objects that both runs wrote under the same name, by their checksums at the end of each run.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from continuum.model.errors import NotFoundError
from continuum.model.timelines import FINISHED, Timeline
from continuum.workflow.journals import RunSummary, read_records, read_summary
from continuum.workflow.manifests import CODE, Item, Manifest, read_manifest
from continuum.workflow.recounting import with_counts

SAME, DIFFERENT, UNKNOWN = "same", "different", "not known"
ONLY_FIRST, ONLY_SECOND = "only in the first", "only in the second"


class Figure(msgspec.Struct, frozen=True):
    """One number of both runs; `unit` is s, bytes or empty."""

    name: str
    first: float
    second: float
    unit: str = ""


class FunctionPair(msgspec.Struct, frozen=True, kw_only=True):
    """One function in both runs: finished tasks by site, and their mean time."""

    function: str
    first_sites: dict[str, int]
    second_sites: dict[str, int]
    first_mean_s: float
    second_mean_s: float
    moved_elsewhere: int
    """How many tasks ran at other sites, as far as their numbers agree."""


class Change(msgspec.Struct, frozen=True):
    """Something that is not the same in both runs: `kind` says what sort of thing."""

    kind: str
    name: str
    first: str
    second: str


class Result(msgspec.Struct, frozen=True):
    """A file or object that was written: same, different, only in one of the runs, or not known."""

    name: str
    verdict: str
    first: str = ""
    second: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What two runs have in common and what not."""

    first: str
    second: str
    figures: tuple[Figure, ...]
    functions: tuple[FunctionPair, ...]
    changes: tuple[Change, ...]
    results: tuple[Result, ...]


class _Side:
    """One of the two runs."""

    def __init__(self, folder: Path) -> None:
        self.summary: RunSummary = with_counts(read_summary(folder), folder)
        self.timeline = Timeline(read_records(folder))
        try:
            self.manifest: Manifest | None = read_manifest(folder)
        except NotFoundError:
            self.manifest = None
        self.code = _files_of(folder / CODE)
        self.sites: dict[str, dict[str, int]] = {}
        self.run_s: dict[str, float] = {}
        for each in self.timeline.tries:
            if each.outcome == FINISHED:
                sites = self.sites.setdefault(each.task.function, {})
                sites[each.site] = sites.get(each.site, 0) + 1
                self.run_s[each.task.function] = self.run_s.get(each.task.function, 0.0) + each.run_s

    def mean_s(self, function: str) -> float:
        count = sum(self.sites.get(function, {}).values())
        return self.run_s[function] / count if count else 0.0


def _files_of(archive: Path) -> dict[str, int]:
    """Return the files of an archive with their CRCs, which is enough to see that one differs."""
    try:
        with zipfile.ZipFile(archive) as reader:
            return {each.filename: each.CRC for each in reader.infolist()}
    except (FileNotFoundError, zipfile.BadZipFile):
        return {}


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare the runs in two folders. Raises `NotFoundError`, `InvalidInputError`."""
    sides = _Side(first), _Side(second)
    return Comparison(
        first=first.name,
        second=second.name,
        figures=tuple(_figures(*sides)),
        functions=tuple(_functions(*sides)),
        changes=tuple(_changes(*sides)),
        results=tuple(_results(sides[0].manifest, sides[1].manifest)),
    )


def _figures(first: _Side, second: _Side) -> Iterable[Figure]:
    pairs = zip(_numbers(first), _numbers(second), strict=True)
    for (name, unit, one), (_, _, other) in pairs:
        yield Figure(name, one, other, unit)


def _numbers(side: _Side) -> list[tuple[str, str, float]]:
    summary, timeline = side.summary, side.timeline
    took_s = summary.ended_at - summary.started_at if summary.ended_at else timeline.took_s
    path_s = sum(call.last.run_s for call in timeline.critical_path() if call.last is not None)
    return [
        ("took", "s", took_s),
        ("tasks", "", len(timeline.calls)),
        ("computed", "s", sum(side.run_s.values())),
        ("critical path", "s", path_s),
        ("came from other sites", "bytes", sum(each.moved_bytes for each in timeline.tries)),
        ("tries that failed", "", len(timeline.failures)),
        ("computing units", "", sum(site.computing_units for site in timeline.sites.values())),
    ]


def _functions(first: _Side, second: _Side) -> Iterable[FunctionPair]:
    moved = _moved_elsewhere(first.timeline, second.timeline)
    for name in dict.fromkeys([*first.timeline.functions(), *second.timeline.functions()]):
        yield FunctionPair(
            function=name,
            first_sites=first.sites.get(name, {}),
            second_sites=second.sites.get(name, {}),
            first_mean_s=first.mean_s(name),
            second_mean_s=second.mean_s(name),
            moved_elsewhere=moved.get(name, 0),
        )


def _moved_elsewhere(first: Timeline, second: Timeline) -> dict[str, int]:
    counts: dict[str, int] = {}
    for call in first.calls.values():
        other = second.calls.get(call.id)
        if other is None or other.function != call.function or call.last is None or other.last is None:
            continue
        if call.last.site != other.last.site:
            counts[call.function] = counts.get(call.function, 0) + 1
    return counts


# ---- what they were made of ----


def _changes(first: _Side, second: _Side) -> Iterable[Change]:
    one, other = first.summary, second.summary
    for name, before, after in (
        ("program", one.application, other.application),
        ("arguments", " ".join(one.arguments), " ".join(other.arguments)),
        ("state", one.state, other.state),
        ("placement", one.placement, other.placement),
        ("home site", one.home_site, other.home_site),
    ):
        if before != after:
            yield Change("run", name, before, after)
    yield from _differing("code", _texts(first.code), _texts(second.code))
    if first.manifest is not None and second.manifest is not None:
        yield from _differing("version", _versions(first.manifest), _versions(second.manifest))
        yield from _differing("site", _sites(first.manifest), _sites(second.manifest))


def _texts(files: Mapping[str, int]) -> dict[str, str]:
    return {name: f"crc {crc:08x}" for name, crc in files.items()}


def _versions(manifest: Manifest) -> dict[str, str]:
    own = {"continuum": manifest.continuum, "python": manifest.python, "platform": manifest.platform}
    return own | manifest.packages


def _sites(manifest: Manifest) -> dict[str, str]:
    return {
        site.name: f"{site.computing_units} units, {site.memory_bytes / 2**30:.1f} GiB, {site.architecture}"
        for site in manifest.sites
    }


def _differing(kind: str, first: Mapping[str, str], second: Mapping[str, str]) -> Iterable[Change]:
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name, ""), second.get(name, "")
        if one != other:
            yield Change(kind, name, one or "-", other or "-")


# ---- results ----


def _results(first: Manifest | None, second: Manifest | None) -> Iterable[Result]:
    one, other = _outputs(first), _outputs(second)
    for name in dict.fromkeys([*one, *other]):
        before, after = one.get(name), other.get(name)
        if before is None or after is None:
            verdict = ONLY_FIRST if after is None else ONLY_SECOND
        elif before.checksum and after.checksum:
            verdict = SAME if before.checksum == after.checksum else DIFFERENT
        else:
            verdict = UNKNOWN
        yield Result(name, verdict, _checksum(before), _checksum(after))


def _outputs(manifest: Manifest | None) -> dict[str, Item]:
    return {item.name: item for item in manifest.items if item.is_output} if manifest is not None else {}


def _checksum(item: Item | None) -> str:
    return "" if item is None else item.checksum or item.problem
