"""The stage of §6.1: three PyCOMPSs programs over two images; the third waits for the other two."""

from functools import partial
from pathlib import Path

from continuum.cli.demo.outcomes import Figures
from continuum.cli.demo.stages import RUN_LIMIT_S, RunSummary, Stage, load_example
from continuum.store import ObjectClient

BUCKET = "mvp"
NAMES = ("workflow1", "workflow2", "workflow3")


def show_workflows(stage: Stage) -> None:
    """Put one image into the store of each site, run the programs, compare all results."""
    stage.report.say("Three PyCOMPSs workflows, started at once; workflow 3 waits for 1 and 2")
    for number in (1, 2):
        image = stage.examples / "mvp_workflows" / f"img0{number}.hex"
        stage.at_gateway(number - 1, partial(_put, image))
    started = [
        stage.start_run(name, *_options(name), f"mvp_workflows/{name}.py") for name in (NAMES[2], *NAMES[:2])
    ]
    for running in started:
        running.wait(RUN_LIMIT_S)
    runs = [stage.summary(name) for name in NAMES]
    _check_runs(stage, runs)
    _check_results(stage)
    for name, run in zip(NAMES, runs, strict=True):
        stage.report.figures.append(Figures(name, run.where, run.took_s, run.moved_bytes))


async def _put(image: Path, client: ObjectClient) -> None:
    await client.ensure_bucket(BUCKET)
    await client.put(BUCKET, image.name, image)


def _options(name: str) -> list[str]:
    waits = [word for other in NAMES[:2] for word in ("--after", other)] if name == NAMES[2] else []
    return ["--name", name, *waits]


def _check_runs(stage: Stage, runs: list[RunSummary]) -> None:
    states = [run.state for run in runs]
    stage.report.check("all three runs succeeded", set(states) == {"succeeded"}, ", ".join(states))
    one, two, three = runs
    waited = stage.first_task_at(three) >= max(one.ended_at, two.ended_at)
    stage.report.check("workflow 3 began when 1 and 2 had finished", waited, "it began before")
    stage.keep_graph(NAMES[0], one)


def _check_results(stage: Stage) -> None:
    folder = stage.examples / "mvp_workflows"
    expected = load_example(folder / "expected.py")
    joined = ""
    for number, (added, subtracted) in expected.ADDED_AND_SUBTRACTED.items():
        image = (folder / f"img0{number}.hex").read_text()
        hexadecimal, decimal = expected.expected_texts(image, added, subtracted)
        _check_object(stage, f"result{number}.txt", hexadecimal)
        _check_object(stage, f"decimal_img0{number}.txt", decimal)
        joined += hexadecimal
    _check_object(stage, "joined.txt", joined)


def _check_object(stage: Stage, key: str, expected: str) -> None:
    read = [stage.read(index, BUCKET, key).decode() for index in range(len(stage.sites))]
    stage.report.check(
        f"{key} is right, at every gateway",
        read == [expected] * len(read),
        f"expected {expected!r}, got {read!r}",
    )
