"""The stage where placement shows: a few hundred megabytes at two sites, with and without data gravity.

Without data gravity (`--placement load`) tasks go where the queue is shortest and their tiles follow them. It
runs second: where copies are kept on reading, it leaves some.
"""

import json

from continuum.cli.demo.outcomes import Figures
from continuum.cli.demo.stages import RUN_LIMIT_S, RunSummary, Stage, load_example
from continuum.model.stories import format_bytes

BUCKET = "sky-survey"
TILES = 24


def show_survey(stage: Stage) -> None:
    """Let each site observe half of the tiles, then measure all of them twice."""
    stage.report.say(f"A survey of {TILES} tiles of 17 MB, observed at both sites, measured where they lie")
    stage.at_gateway(0, lambda client: client.ensure_bucket(BUCKET))
    for telescope, site in enumerate(stage.sites[:2]):
        run = _run(stage, f"observe-{site.name}", site.name, "observe.py", str(telescope), str(TILES))
        stage.report.check(
            f"telescope {telescope} observed at {site.name}",
            run.where == f"{site.name} {TILES // 2}",
            run.where,
        )
    measured = {placement: _measure(stage, placement) for placement in ("gravity", "load")}
    less, more = measured["gravity"].moved_bytes, measured["load"].moved_bytes
    stage.report.check(
        f"with data gravity less moved: {format_bytes(less)} instead of {format_bytes(more)}",
        less < more,
        "it did not",
    )
    stage.keep_graph("survey-gravity", measured["gravity"])


def _measure(stage: Stage, placement: str) -> RunSummary:
    run = _run(stage, f"survey-{placement}", placement, "survey.py", str(TILES))
    _check_catalogue(stage, placement)
    return run


def _run(stage: Stage, name: str, placement: str, program: str, *arguments: str) -> RunSummary:
    running = stage.start_run(
        name, "--name", name, "--placement", placement, f"sky_survey/{program}", *arguments
    )
    running.wait(RUN_LIMIT_S)
    run = stage.summary(name)
    stage.report.figures.append(Figures(name, run.where, run.took_s, run.moved_bytes))
    return run


def _check_catalogue(stage: Stage, placement: str) -> None:
    sky = load_example(stage.examples / "sky_survey" / "sky.py")
    planted = [
        [number, row, column]
        for number in range(TILES)
        for row, column, _ in sorted(sky.planted_sources(number))
    ]
    summary = json.loads(stage.read(1, BUCKET, "summary.json"))
    found = [source[:3] for source in summary["sources"]]
    stage.report.check(
        f"placement {placement}: exactly the {len(planted)} planted sources were found",
        found == planted,
        f"{len(found)} were found",
    )
