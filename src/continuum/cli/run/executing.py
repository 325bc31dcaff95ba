"""Executing a program in this process as `python` would, as the main module, with its tasks in a run."""

import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType

import msgspec

import continuum
from continuum.model.errors import ContinuumError
from continuum.model.tasks import Problem
from continuum.workflow import Run, TaskFailedError, install_pycompss, use_run

_PACKAGE = str(Path(continuum.__file__).parent) + os.sep
_LIBRARIES = tuple(
    sysconfig.get_path(kind) + os.sep for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)


class Outcome(msgspec.Struct, frozen=True):
    """How a program ended: `succeeded`, `failed` or `cancelled`, and with which exit status."""

    state: str
    exit_status: int
    reason: str = ""
    problems: tuple[Problem, ...] = ()


def execute(run: Run, program: Path, arguments: Sequence[str]) -> Outcome:
    """Run `program` as `__main__` and wait for its tasks. Its errors are printed as `python` prints them.

    Raises `KeyboardInterrupt` as it comes.
    """
    install_pycompss()
    code = _compile(program)
    if code is None:
        return Outcome("failed", 1, "the program has a syntax error")
    module = ModuleType("__main__")
    module.__file__ = str(program)
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    sys.argv = [str(program), *arguments]
    sys.path[0] = str(program.resolve().parent)
    try:
        with use_run(run):
            status, outcome = _execute(run, code, module)
            if outcome is None:
                outcome = _finish(run, program, status)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    if outcome.state != "succeeded":
        _keep(run)
    return outcome


def _keep(run: Run) -> None:
    """Stop what is not finished, and bring the files that are."""
    run.driver.cancel("the program has ended")
    try:
        run.files.bring_all()
    except (ContinuumError, OSError) as problem:
        print(f"error: a file could not be brought: {problem}", file=sys.stderr)  # noqa: T201


def _compile(program: Path) -> object | None:
    try:
        source = program.read_bytes()
        lines = source.decode(errors="replace").splitlines(keepends=True)
        linecache.cache[str(program)] = (len(source), None, lines, str(program))  # wherever it may chdir to
        return compile(source, str(program), "exec")
    except (SyntaxError, ValueError):
        traceback.print_exc(limit=0)
        return None


def _execute(run: Run, code: object, module: ModuleType) -> tuple[int, Outcome | None]:
    try:
        exec(code, module.__dict__)  # type: ignore[arg-type]  # noqa: S102 - this is what the user asks for
    except SystemExit as ending:
        status = _status_of(ending)
        return status, None if status == 0 else Outcome("failed", status, f"the program ended with {status}")
    except KeyboardInterrupt:
        raise
    except TaskFailedError as problem:
        what = "the program did not deal with a failed task"
        _print_failure(problem, what, run.spec.run_id, Path(str(module.__file__)))
        return 1, Outcome("failed", 1, problem.message, (problem.problem,))
    except BaseException as problem:  # noqa: BLE001 - whatever the program raises ends it, as in python
        _print_error(problem, Path(str(module.__file__)))
        return 1, Outcome("failed", 1, "".join(traceback.format_exception_only(problem)).strip())
    return 0, None


def _finish(run: Run, program: Path, status: int) -> Outcome:
    """Wait for what the program did not wait for."""
    try:
        problems = run.finish()
    except TaskFailedError as error:
        problems = [error.problem]
    except ContinuumError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return Outcome("failed", 1, error.message)
    if not problems:
        return Outcome("succeeded", status)
    for problem in problems:
        what = "the program did not ask for the result of a failed task"
        _print_failure(TaskFailedError.of(problem), what, run.spec.run_id, program)
    return Outcome("failed", status or 1, TaskFailedError.of(problems[0]).message, tuple(problems))


def _status_of(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    if isinstance(ending.code, int):
        return ending.code
    print(ending.code, file=sys.stderr)  # noqa: T201 - as python does
    return 1


def _print_failure(problem: TaskFailedError, what: str, run_id: str, program: Path) -> None:
    sys.stdout.flush()
    lines = [f"error: {problem.message}"]
    if problem.traceback:
        lines += [f"  | {line}" for line in problem.traceback.rstrip().splitlines()]
    if problem.__traceback__ is not None:
        lines += ["where the program met it:", *_own_frames(problem.__traceback__, program)]
    story = " ".join(["continuum run explain", run_id, *([str(problem.told_by)] if problem.told_by else [])])
    lines.append(f"hint:  {what}; the story: {story}; what it printed: {story.replace('explain', 'log', 1)}")
    print("\n".join(lines), file=sys.stderr)  # noqa: T201


def _print_error(problem: BaseException, program: Path) -> None:
    sys.stdout.flush()
    if isinstance(problem, ContinuumError):
        frames = _own_frames(problem.__traceback__, program)
        print("\n".join([f"error: {problem}", *frames]), file=sys.stderr)  # noqa: T201
        return
    told = traceback.TracebackException.from_exception(problem)
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if not _is_ours(frame)])
    print("".join(told.format()), end="", file=sys.stderr)  # noqa: T201


def _own_frames(trace: TracebackType | None, program: Path) -> list[str]:
    """Return the lines of the program that led there, without the platform's and the libraries' own."""
    folder = str(program.resolve().parent) + os.sep
    frames = [frame for frame in traceback.extract_tb(trace) if _is_users(frame, folder)]
    return [line.rstrip() for entry in traceback.format_list(frames) for line in entry.splitlines()]


def _is_users(frame: traceback.FrameSummary, folder: str) -> bool:
    path = str(Path(frame.filename).absolute())
    is_library = path.startswith(_LIBRARIES) or "site-packages" in path or frame.filename.startswith("<")
    is_beside = path.startswith(folder) and "site-packages" not in path
    return is_beside or not (is_library or _is_ours(frame))


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_PACKAGE)
