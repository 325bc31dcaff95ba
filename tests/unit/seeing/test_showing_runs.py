"""What the hub knows of a run's progress."""

from pathlib import Path

import journaled
import msgspec

from continuum.model.tasks import Problem
from continuum.workflow.journals import FunctionSummary, RunSummary
from continuum.workflow.runs import MAX_PROGRESS_BYTES, RunRegistry, to_entry, to_progress


def registry(folder: Path) -> RunRegistry:
    made = RunRegistry(f"sqlite:///{folder}/runs.db", clock=lambda: 2000.0)
    made.open()
    return made


def test_the_hub_shows_what_the_driver_of_a_run_said_last(tmp_path: Path) -> None:
    runs = registry(tmp_path)
    run = journaled.SUMMARY
    runs.note(to_entry(run), to_progress(run))
    later = msgspec.structs.replace(run, functions=(FunctionSummary(name="f", tasks={"finished": 2}),))
    runs.note(to_entry(later), to_progress(later))
    for wanted in (run.run_id, "fit", "fit-2026", "last"):
        shown = runs.show(wanted)
        assert shown.run is not None
        assert msgspec.json.decode(shown.progress, type=RunSummary).functions == later.functions
    assert runs.show("none").run is None
    assert runs.show("").run is None
    runs.close()


def test_a_run_whose_driver_tells_no_progress_is_shown_without(tmp_path: Path) -> None:
    runs = registry(tmp_path)
    runs.note(to_entry(journaled.SUMMARY))
    assert runs.show("fit").progress == b""
    runs.close()


def test_what_is_told_of_progress_is_small_whatever_the_run() -> None:
    problem = Problem(
        task_id=1, function="f", kind="raised", message="x" * 10**6, traceback="y" * 10**6, exception=b"z"
    )
    run = msgspec.structs.replace(
        journaled.SUMMARY,
        arguments=("a" * 10**5,) * 1000,
        problems=(problem,) * 100,
        functions=tuple(FunctionSummary(name=f"f{n}", tasks={"finished": n}) for n in range(1000)),
    )
    assert len(to_progress(run)) < MAX_PROGRESS_BYTES / 4
