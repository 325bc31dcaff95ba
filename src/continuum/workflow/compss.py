"""The `compss` engine: what is said to the real COMPSs runtime when a whole program is handed to it.

Not an engine of tasks: COMPSs places and executes the tasks of the program itself, with its own project and
resources. Only its command line is made here (`handing` runs it).
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.workflow.beginnings import RunOptions

COMPSS = "compss"
PROGRAM = "runcompss"
LOGS = "compss"  # in the folder of the run
_IN_COMPSS_HOME = Path("Runtime", "scripts", "user", PROGRAM)
_LOG_OPTIONS = ("--log_dir", "--base_log_dir", "--specific_log_dir")
_GRAPH_OPTIONS = ("--graph", "-g")
_KEPT = frozenset(("name", "environment", "draws_graph", "engine", "is_local"))
_PLACES = frozenset(("site", "placement"))
_PLACES_HINT = "programs are handed over on this machine only: give the command where runcompss is"
_OPTIONS_HINT = f"options of {PROGRAM} are handed over as --compss-option=--NAME=VALUE"
_SAID = {"computing_units": "units", "keeps_crate": "provenance"}


def find_runcompss() -> Path:
    """Return the runtime's starter: on the search path, or in `$COMPSS_HOME`. Raises `NotFoundError`."""
    found = shutil.which(PROGRAM)
    home = os.environ.get("COMPSS_HOME")
    if found is None and home:
        found = shutil.which(Path(home) / _IN_COMPSS_HOME)
    if found is None:
        raise NotFoundError(
            f"there is no {PROGRAM} on this machine, to which --engine {COMPSS} hands programs",
            hint="put COMPSs' Runtime/scripts/user on $PATH, or set $COMPSS_HOME; without COMPSs, "
            "`continuum run APP.py` runs PyCOMPSs programs as they are",
        )
    return Path(found).absolute()


def check_options(options: RunOptions, handed: Sequence[str]) -> None:
    """Raise `InvalidInputError` for what COMPSs decides itself, and for options that are none."""
    usual = RunOptions()
    for field in msgspec.structs.fields(RunOptions):
        if field.name not in _KEPT and getattr(options, field.name) != getattr(usual, field.name):
            option = _SAID.get(field.name, field.name).replace("_", "-")
            raise InvalidInputError(
                f"--{option} means nothing when COMPSs runs the whole program",
                hint=_PLACES_HINT if field.name in _PLACES else _OPTIONS_HINT,
            )
    for word in handed:
        if not word.startswith("-") or word == "--":
            raise InvalidInputError(
                f"--compss-option={word} is no option of {PROGRAM}",
                hint="write --compss-option=--NAME=VALUE, once for each",
            )
        if word.partition("=")[0] == "--lang" and word != "--lang=python":
            raise InvalidInputError(f"{word} is not supported", hint="programs are in Python")


def command_of(
    runcompss: Path,
    program: Path,
    arguments: Sequence[str],
    *,
    handed: Sequence[str],
    folder: Path,
    draws_graph: bool,
) -> tuple[str, ...]:
    """Return the command line: `handed` as it is, and what it leaves open.

    COMPSs imports from the program's own folder, keeps its files in the folder of the run, and draws the
    graph if the run does.
    """
    given = {word.partition("=")[0] for word in handed}
    words = ["--lang=python", f"--pythonpath={_search_path(program, handed)}"]
    words += [word for word in handed if word.partition("=")[0] not in {"--lang", "--pythonpath"}]
    if not given.intersection(_LOG_OPTIONS):
        words.append(f"--log_dir={folder / LOGS}")
    if draws_graph and not given.intersection(_GRAPH_OPTIONS):
        words.append("--graph=true")
    return (str(runcompss), *words, str(program.absolute()), *arguments)


def _search_path(program: Path, handed: Sequence[str]) -> str:
    asked = [word.partition("=")[2] for word in handed if word.startswith("--pythonpath=")]
    return os.pathsep.join([str(program.resolve().parent), *filter(None, asked)])
