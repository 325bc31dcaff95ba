"""The published options of COMPSs' `runcompss`: what each means here, or why it means nothing.

One table says all; the documentation is written from it (`docs/pycompss.md`). Three things become of an
option: it is *mapped* to one of `continuum run`, *noted* (it changes nothing here, and the reason is told),
or *refused* (doing without it would not be what was asked for).
"""

import difflib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from continuum.model.errors import InvalidInputError

MAPPED, NOTED, REFUSED = "mapped", "noted", "refused"
_FALSE = frozenset(("false", "no", "off", "0", "none", "disabled", "null"))
_PERIOD = re.compile(r"^(\d+)\s*(s|m|h)?$")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}

_BEGIN, _END = "<!-- runcompss -->", "<!-- /runcompss -->"

Words = list[str]


class Plan(msgspec.Struct, kw_only=True):
    """What a command line of `runcompss` means: words for `continuum run`, and what is done around it."""

    words: Words = []
    app: str = ""
    arguments: Words = []
    notes: list[str] = []
    python_path: list[str] = []
    scripts: list[str] = []
    is_debug: bool = False
    wall_clock_s: float = 0.0
    checkpoint: str = ""
    checkpoint_params: dict[str, str] = {}


class Option(msgspec.Struct, frozen=True):
    """One option. `takes` is what its value is called, empty for a switch; `text` what it does or why not."""

    names: tuple[str, ...]
    takes: str
    fate: str
    text: str
    act: Callable[[Plan, str], None] | None = None


def _word(*words: str) -> Callable[[Plan, str], None]:
    return lambda plan, value: plan.words.extend(word.format(value=value) for word in words)


def _graph(plan: Plan, value: str) -> None:
    plan.words.append("--no-graph" if value.lower() in _FALSE else "--graph")


def _provenance(plan: Plan, value: str) -> None:
    if value.lower() not in _FALSE:
        plan.words.append("--provenance")


def _lang(_: Plan, value: str) -> None:
    if value.lower() != "python":
        raise InvalidInputError(f"--lang={value} is not supported", hint="programs are in Python")


def _log_level(plan: Plan, value: str) -> None:
    plan.is_debug = value.lower() in {"debug", "trace"}


def _debug(plan: Plan, _: str) -> None:
    plan.is_debug = True


def _wall_clock(plan: Plan, value: str) -> None:
    if not value.isdigit():
        raise InvalidInputError(f"--wall_clock_limit={value} is no number of seconds")
    plan.wall_clock_s = float(value)


def _engine(plan: Plan, value: str) -> None:
    plan.words += ["--engine", value]


def _checkpoint(plan: Plan, value: str) -> None:
    plan.checkpoint = value.rpartition(".")[2] or value


def _checkpoint_params(plan: Plan, value: str) -> None:
    for pair in filter(None, re.split(r"[,;]", value)):
        name, _, given = pair.partition(":")
        plan.checkpoint_params[name.strip()] = given.strip()


def _python_path(plan: Plan, value: str) -> None:
    plan.python_path += [place for place in value.split(":") if place]


def _script(plan: Plan, value: str) -> None:
    plan.scripts.append(value)


_JAVA = "there is no Java virtual machine here"
_SITES = "sites say themselves what they have: `continuum site list`"
_RUNS = "what is kept of a run lies in HOME/runs/RUN: `continuum run show`, `log`, `events`"
_TRACE = "every run can be exported afterwards: `continuum run trace RUN`"

_OF_CONTINUUM_RUN = ("home", "name", "site", "placement", "objective", "after", "env", "units", "gpus")

OPTIONS: tuple[Option, ...] = (
    Option(("--graph", "-g"), "bool?", MAPPED, "`--graph`; `--graph=false` is `--no-graph`", _graph),
    Option(("--lang",), "language", MAPPED, "`python`; other languages are refused", _lang),
    Option(("--log_level",), "level", MAPPED, "`debug` shows what the platform logs (`--debug`)", _log_level),
    Option(("--debug", "-d"), "", MAPPED, "as `--log_level=debug`", _debug),
    Option(("--wall_clock_limit",), "seconds", MAPPED, "what is not finished then is cancelled", _wall_clock),
    Option(
        ("--checkpoint",),
        "policy",
        MAPPED,
        "`--checkpoint`: PolicyPeriodicTime, PolicyFinishedTasks, PolicyInstantiatedGroup, NoCheckpoint",
        _checkpoint,
    ),
    Option(
        ("--checkpoint_params",),
        "params",
        MAPPED,
        "`period.time:60s`, `finished.tasks:5`, `instantiated.group:5`",
        _checkpoint_params,
    ),
    Option(
        ("--pythonpath",), "folders", MAPPED, "where the program and its tasks import from, too", _python_path
    ),
    Option(
        ("--env_script",),
        "script",
        MAPPED,
        "is sourced; variables that it sets go to program and tasks",
        _script,
    ),
    Option(("--uuid",), "id", MAPPED, "`--name`", _word("--name", "{value}")),
    Option(("--quiet", "-q"), "", MAPPED, "`--quiet` of `continuum run`", _word("--quiet")),
    *(
        Option(
            (f"--{name}",), "value", MAPPED, f"`--{name}` of `continuum run`", _word(f"--{name}", "{value}")
        )
        for name in _OF_CONTINUUM_RUN
    ),
    Option(
        ("--provenance", "-p"),
        "file?",
        MAPPED,
        "`--provenance`: the run as an RO-Crate; the YAML file is not read",
        _provenance,
    ),
    Option(
        ("--engine",),
        "engine",
        MAPPED,
        "`--engine` of `continuum run`; with `compss` the real runtime gets all options as they are, but for "
        "those of `continuum run`",
        _engine,
    ),
    Option(("--local",), "", MAPPED, "`--local` of `continuum run`", _word("--local")),
    Option(("--streaming",), "type", NOTED, "streams are always there"),
    Option(("--tracing", "-t"), "bool?", NOTED, _TRACE),
    Option(("--monitoring", "-m"), "ms?", NOTED, "`continuum run watch RUN` follows any run"),
    Option(("--summary",), "bool?", NOTED, "a summary is always printed; `continuum run show RUN`"),
    Option(("--scheduler",), "class", NOTED, "see `--placement` and `--objective`"),
    Option(("--scheduler_config_file",), "file", NOTED, "see `--placement` and `--objective`"),
    Option(("--project",), "file", REFUSED, _SITES),
    Option(("--resources",), "file", REFUSED, _SITES),
    Option(("--comm",), "class", NOTED, "sites are reached over the backbone"),
    Option(("--conn",), "class", NOTED, "sites are reached over the backbone"),
    Option(("--task_count",), "number", NOTED, "any number of task types is counted"),
    Option(("--shutdown_in_node_failure",), "bool?", NOTED, "what a lost site had runs elsewhere"),
    Option(("--checkpoint_folder",), "folder", NOTED, _RUNS),
    Option(("--log_dir",), "folder", NOTED, _RUNS),
    Option(("--base_log_dir",), "folder", NOTED, _RUNS),
    Option(("--specific_log_dir",), "folder", NOTED, _RUNS),
    Option(("--master_working_dir",), "folder", NOTED, _RUNS),
    Option(("--keep_workingdir",), "bool?", NOTED, "folders of tasks are removed with the run"),
    Option(("--task_execution",), "kind", NOTED, "tasks run where placement says"),
    Option(("--zip_provenance", "--zip", "-z"), "bool?", NOTED, "`continuum run crate RUN` can write a zip"),
    Option(("--appdir",), "folder", NOTED, "the program's own folder is always searched"),
    Option(("--python_interpreter",), "name", NOTED, "program and tasks run on the Python of the platform"),
    Option(("--python_propagate_virtual_environment",), "bool", NOTED, "as `--python_interpreter`"),
    Option(("--python_mpi_worker",), "bool", NOTED, "workers are no MPI ranks"),
    Option(("--python_worker_cache",), "value", NOTED, "large values are mapped, not copied, at a site"),
    Option(("--python_cache_profiler",), "bool", NOTED, "as `--python_worker_cache`"),
    Option(("--python_memory_profile",), "bool?", REFUSED, "use `pycompss.functions.profile`"),
    Option(("--PyObject_serialize",), "bool", NOTED, "Python objects are always serialised"),
    Option(("--cpu_affinity",), "kind", NOTED, "the operating system places threads"),
    Option(("--gpu_affinity",), "kind", NOTED, "tasks get the GPUs that they were given"),
    Option(("--fpga_affinity",), "kind", NOTED, "there are no FPGAs here"),
    Option(("--fpga_reprogram",), "command", REFUSED, "there are no FPGAs here"),
    Option(("--io_executors",), "number", NOTED, "tasks of @IO take no computing unit"),
    Option(("--trace_label",), "label", NOTED, _TRACE),
    Option(("--tracing_task_dependencies",), "bool?", NOTED, _TRACE),
    Option(("--generate_trace",), "bool?", NOTED, _TRACE),
    Option(("--delete_trace_packages",), "bool?", NOTED, _TRACE),
    Option(("--custom_threads",), "bool?", NOTED, _TRACE),
    Option(("--extrae_config_file",), "file", REFUSED, "traces are for Perfetto and Chrome, not Extrae"),
    Option(("--extrae_config_file_python",), "file", REFUSED, "as `--extrae_config_file`"),
    Option(("--storage_impl",), "name", REFUSED, "objects of the store are parameters: `s3://BUCKET/KEY`"),
    Option(("--storage_conf",), "file", REFUSED, "as `--storage_impl`"),
    Option(("--streaming_master_name",), "name", NOTED, "streams need no server"),
    Option(("--streaming_master_port",), "port", NOTED, "streams need no server"),
    Option(("--master_name",), "name", NOTED, "connections go out only: nobody connects to the program"),
    Option(("--master_port",), "port", NOTED, "as `--master_name`"),
    Option(("--input_profile",), "file", NOTED, "durations are remembered from run to run by themselves"),
    Option(("--output_profile",), "file", NOTED, "as `--input_profile`"),
    Option(("--enable_external_adaptation",), "bool", REFUSED, "workers follow the queue by themselves"),
    Option(("--gen_coredump",), "bool?", NOTED, "set the limit of your shell: `ulimit -c unlimited`"),
    Option(("--external_debugger",), "", REFUSED, _JAVA),
    Option(("--jmx_port",), "port", REFUSED, _JAVA),
    Option(("--library_path",), "folders", REFUSED, "set LD_LIBRARY_PATH with `--env_script`"),
    Option(("--classpath",), "path", REFUSED, _JAVA),
    Option(("--jvm_master_opts",), "options", NOTED, _JAVA),
    Option(("--jvm_workers_opts",), "options", NOTED, _JAVA),
    Option(("--persistent_worker_c",), "bool", NOTED, "programs are in Python"),
)
_OURS = frozenset((*(f"--{name}" for name in _OF_CONTINUUM_RUN), "--engine", "--local", "--quiet", "-q"))
_BY_NAME = {name: option for option in OPTIONS for name in option.names}


def parse_command(words: Sequence[str]) -> Plan:
    """Return what `runcompss WORDS` means. Raises `InvalidInputError` naming what is refused or not known."""
    plan = Plan()
    rest = list(words)
    options = []
    while rest and rest[0].startswith("-"):
        options.append(_next(rest))
    hands_over = any((each.name, each.value) == ("--engine", "compss") for each in options)
    for each in options:
        if hands_over and each.name not in _OURS:
            plan.words.append(f"--compss-option={each.word()}")
        else:
            _take(plan, each)
    if not rest:
        raise InvalidInputError(
            "no program is named", hint="continuum runcompss [OPTIONS] APP.py [ARGUMENTS]"
        )
    plan.app, *plan.arguments = rest
    if plan.checkpoint:
        plan.words += ["--checkpoint", _checkpoint_word(plan)]
    return plan


class _Given(NamedTuple):
    """An option of a command line; `value` None: it has none."""

    name: str
    option: Option
    value: str | None

    def word(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


def _next(rest: Words) -> _Given:
    name, equals, value = rest.pop(0).partition("=")
    option = _BY_NAME.get(name)
    if option is None:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        raise InvalidInputError(
            f"runcompss has no option {name}", hint=f"did you mean {near[0]}?" if near else ""
        )
    if equals:
        return _Given(name, option, value)
    if not option.takes or option.takes.endswith("?"):
        return _Given(name, option, None)
    if not rest:
        raise InvalidInputError(f"{name} needs a value", hint=f"{name}={option.takes}")
    return _Given(name, option, rest.pop(0))


def _take(plan: Plan, given: _Given) -> None:
    name, option, value = given.name, given.option, given.value or ""
    if option.takes.endswith("?") and given.value is None:
        value = "true"
    if option.fate == REFUSED and value.lower() not in _FALSE:
        raise InvalidInputError(f"{name} is not supported", hint=option.text)
    if option.fate == NOTED and not (option.takes.endswith("?") and value.lower() in _FALSE):
        plan.notes.append(f"{name} changes nothing: {option.text}")
    elif option.act is not None:
        option.act(plan, value)


def _checkpoint_word(plan: Plan) -> str:
    if plan.checkpoint == "NoCheckpoint":
        return "off"
    name = {
        "CheckpointPolicyPeriodicTime": "period.time",
        "CheckpointPolicyFinishedTasks": "finished.tasks",
        "CheckpointPolicyInstantiatedGroup": "instantiated.group",
    }.get(plan.checkpoint)
    if name is None:
        raise InvalidInputError(
            f"--checkpoint={plan.checkpoint} is not known",
            hint="CheckpointPolicyPeriodicTime, CheckpointPolicyFinishedTasks, "
            "CheckpointPolicyInstantiatedGroup or NoCheckpoint",
        )
    given = _PERIOD.match(plan.checkpoint_params.get(name, "60" if name == "period.time" else "1"))
    if given is None:
        raise InvalidInputError(f"--checkpoint_params={name}:{plan.checkpoint_params[name]} is no number")
    if name == "period.time":
        return f"{int(given[1]) * _SECONDS[given[2] or '']}s"
    return given[1]


def table() -> str:
    """Return the options as a table in Markdown."""
    lines = ["| option | what becomes of it |", "|---|---|"]
    for option in OPTIONS:
        shown = ", ".join(f"`{name}{_shown(option.takes)}`" for name in option.names)
        lines.append(f"| {shown} | {option.fate}: {option.text} |")
    return "\n".join(lines)


def write_table(document: Path) -> None:
    """Put the table between its marks in a document."""
    head, _, rest = document.read_text().partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    document.write_text(f"{head}{_BEGIN}\n{table()}\n{_END}{tail}")


def _shown(takes: str) -> str:
    return f"[={takes[:-1]}]" if takes.endswith("?") else f"={takes}" if takes else ""


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
