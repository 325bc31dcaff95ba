"""The options of `runcompss-k8s`: those that were published, their older names, and those of spark-submit.

One table says all; the documentation is written from it (`docs/kubernetes/runcompss-k8s.md`). What is not in
it is an option of `runcompss` and means what it means there. As with `runcompss`, an option is mapped, noted
(it changes nothing, and the reason is told) or refused (doing without would not be what was asked for).
Dashes and underscores are the same, `--name=value` and `--name value` too.
"""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.cli.runcompss.options import OPTIONS as OF_RUNCOMPSS
from continuum.cli.runcompss.options import parse_command as parse_runcompss
from continuum.cli.runcompss_k8s.launches import (
    FALSE,
    Launch,
    Take,
    take_deploy_mode,
    take_driver_memory,
    take_driver_units,
    take_extra,
    take_files,
    take_in_cluster,
    take_least,
    take_master,
    take_memory,
    take_most,
    take_text,
    take_truth,
    take_units,
    take_variable,
    take_volume,
    take_wait,
    take_workers,
)
from continuum.model.errors import InvalidInputError

NOTED, REFUSED = "noted", "refused"
USAGE = "runcompss-k8s [OPTIONS] APP.py [ARGUMENTS]"
_BEGIN, _END = "<!-- runcompss-k8s -->", "<!-- /runcompss-k8s -->"


class Option(msgspec.Struct, frozen=True):
    """One option under all its names. `takes` is what its value is called: empty for a switch, with `?` at
    its end if it may be left out. `take` is None for what is noted or refused (`fate`)."""

    names: tuple[str, ...]
    takes: str
    text: str
    take: Take | None = None
    fate: str = ""


_HERE = "it is for runs without a cluster: `continuum run`"

OPTIONS: tuple[Option, ...] = (
    Option(
        ("--worker-pods", "--w", "--worker-containers", "--workers", "--num-workers", "--num-executors"),
        "workers",
        "worker pods: `2` (always), `1-4` (as there is work), `0-4:60` (idle ones go after 60 s)",
        take_workers,
    ),
    Option(("--min-workers",), "workers", "never fewer worker pods", take_least),
    Option(("--max-workers",), "workers", "never more worker pods", take_most),
    Option(("--c-elasticity",), "workers", "so many pods more than `--worker-pods` may come", take_extra),
    Option(
        ("--c-cpu-units", "--worker-units", "--executor-cores"),
        "units",
        "computing units (CPUs) of a worker pod; else the largest `computing_units` of `@constraint`",
        take_units,
    ),
    Option(
        ("--c-memory", "--worker-memory", "--executor-memory"),
        "memory",
        "memory of a worker pod: `4` (GB), `512M`, `4GiB`; else the largest `memory_size` of `@constraint`",
        take_memory,
    ),
    Option(
        ("--image-name", "--i", "--image"),
        "image",
        "image of driver and workers; else the site's",
        take_text("image"),
    ),
    Option(
        ("--context-dir", "--c"),
        "folder",
        "the program is in this folder of the image; else it is sent from here, with the modules beside it",
        take_text("context_dir"),
    ),
    Option(("--c-namespace", "--namespace"), "name", "else `continuum-SITE-runs`", take_text("namespace")),
    Option(("--c-creation-time",), "seconds", "how long pods take to appear is measured", fate=NOTED),
    Option(
        ("--profiling-mode",),
        "bool?",
        "durations of tasks and speeds of links are remembered anyway",
        fate=NOTED,
    ),
    Option(
        ("--worker-order",),
        "nodes",
        "the cluster's scheduler chooses nodes; a profile of the site (`--profile`) may select them",
        fate=REFUSED,
    ),
    Option(("--compss-master",), "host", "the driver connects outwards only, from any node", fate=NOTED),
    Option(("--profile",), "name", "which of the site's kinds of worker pods", take_text("profile")),
    Option(("--site",), "name", "the site; else the only one in a cluster that there is", take_text("site")),
    Option(
        ("--context",),
        "name",
        "of the kubeconfig; else the one by which the site joined",
        take_text("context"),
    ),
    Option(("--kubeconfig",), "file", "else `$KUBECONFIG`, else `~/.kube/config`", take_text("kubeconfig")),
    Option(("--home",), "folder", "the continuum's home; else `$CONTINUUM_HOME`", take_text("home")),
    Option(
        ("--deploy-mode",),
        "mode",
        "`cluster` (usual): the program itself runs in a pod; `client`: here, its tasks in the cluster",
        take_deploy_mode,
    ),
    Option(
        ("--master-in-cluster",),
        "bool?",
        "the same as `--deploy-mode cluster`; `=false`: `client`",
        take_in_cluster,
    ),
    Option(("--master",), "k8s://…", "accepted; the cluster is that of `--context`", take_master),
    Option(
        ("--driver-cores", "--driver-units"),
        "units",
        "computing units of the driver's pod",
        take_driver_units,
    ),
    Option(("--driver-memory",), "memory", "memory of the driver's pod", take_driver_memory),
    Option(("--env",), "NAME=VALUE", "a variable of program and tasks", take_variable),
    Option(
        ("--volume", "--mount"),
        "volume",
        "in driver and workers: `claim:NAME:/PATH`, `claim:NAME:/PATH:ro`, `config:NAME:/PATH` or "
        "`empty:SIZE:/PATH`",
        take_volume,
    ),
    Option(
        ("--files", "--py-files"),
        "paths",
        "files and folders that go along with the program, with commas",
        take_files,
    ),
    Option(("--name", "--uuid"), "name", "of the run", take_text("name")),
    Option(("--detach",), "bool?", "print the run's id and leave it alone", take_truth("is_detached")),
    Option(("--attach",), "RUN", "follow a run that goes on, in place of a program", take_text("attach")),
    Option(("--dry-run",), "bool?", "print the manifests, without secrets", take_truth("is_dry_run")),
    Option(("--wait",), "seconds", "for how long the driver's pod may take to start (300)", take_wait),
    Option(("--verbose",), "bool?", "what the workers print, too", take_truth("is_verbose")),
    Option(
        ("--quiet", "-q"), "bool?", "nothing but the program's output, and errors", take_truth("is_quiet")
    ),
    Option(
        ("--json",), "bool?", "the run's summary at the end, alone on standard output", take_truth("as_json")
    ),
    Option(("--conf",), "KEY=VALUE", "Spark's properties that mean one of these options (below)"),
    Option(("--local",), "", _HERE, fate=REFUSED),
    Option(
        ("--engine",), "engine", "inside the site a Dask cluster of pods executes the tasks", fate=REFUSED
    ),
    Option(("--units",), "units", _HERE, fate=REFUSED),
    Option(("--gpus",), "gpus", "tasks ask for GPUs by `@constraint`, profiles have them", fate=REFUSED),
)
SPARK_PROPERTIES = {
    "spark.app.name": "--name",
    "spark.driver.cores": "--driver-cores",
    "spark.driver.memory": "--driver-memory",
    "spark.dynamicAllocation.maxExecutors": "--max-workers",
    "spark.dynamicAllocation.minExecutors": "--min-workers",
    "spark.executor.cores": "--executor-cores",
    "spark.executor.instances": "--num-executors",
    "spark.executor.memory": "--executor-memory",
    "spark.kubernetes.container.image": "--image",
    "spark.kubernetes.context": "--context",
    "spark.kubernetes.namespace": "--namespace",
    "spark.submit.deployMode": "--deploy-mode",
}
_BY_NAME = {name: option for option in OPTIONS for name in option.names}
_RUNCOMPSS = {name: option for option in OF_RUNCOMPSS for name in option.names}


def parse_command(words: Sequence[str]) -> Launch:
    """Return what `runcompss-k8s WORDS` asks for. Raises `InvalidInputError` naming what is wrong."""
    launch = Launch()
    rest = list(words)
    passed: list[str] = []
    while rest and rest[0].startswith("-"):
        if rest[0] == "--":
            rest.pop(0)
            break
        word = rest.pop(0)
        given, equals, value = word.partition("=")
        option = find_option(given)
        if option is None:
            passed += _pass_on(given, word, rest)
        else:
            _take(launch, option, given, _value_of(option, given, value if equals else None, rest))
    _take_program(launch, rest, passed)
    _check(launch)
    return launch


def find_option(given: str) -> Option | None:
    """Return the option of that name; None if it is none of ours."""
    return _BY_NAME.get(given) or _BY_NAME.get(
        "--" + given[2:].replace("_", "-") if given[:2] == "--" else ""
    )


def _value_of(option: Option, given: str, value: str | None, rest: list[str]) -> str:
    if value is not None:
        return value
    if not option.takes or option.takes.endswith("?"):
        return "true"
    if not rest:
        raise InvalidInputError(f"{given} needs a value", hint=f"{given}={option.takes}")
    return rest.pop(0)


def _take(launch: Launch, option: Option, given: str, value: str) -> None:
    if given == "--conf":
        _take_property(launch, value)
    elif option.fate == REFUSED:
        raise InvalidInputError(f"{given} is not supported", hint=option.text)
    elif option.fate == NOTED:
        if value.lower() not in FALSE:
            launch.notes.append(f"{given} changes nothing: {option.text}")
    elif option.take is not None:
        option.take(launch, given, value)


def _take_property(launch: Launch, pair: str) -> None:
    key, equals, value = pair.partition("=")
    known = SPARK_PROPERTIES.get(key)
    if not equals or known is None:
        near = difflib.get_close_matches(key, SPARK_PROPERTIES, n=1)
        raise InvalidInputError(
            f"--conf {pair} means nothing here",
            hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(SPARK_PROPERTIES)}",
        )
    _take(launch, _BY_NAME[known], known, value)


def _pass_on(given: str, word: str, rest: list[str]) -> list[str]:
    """Return the words of an option of `runcompss`, with its value."""
    option = _RUNCOMPSS.get(given)
    if option is None:
        near = difflib.get_close_matches(given, [*_BY_NAME, *_RUNCOMPSS], n=1)
        raise InvalidInputError(
            f"runcompss-k8s has no option {given}",
            hint=f"did you mean {near[0]}?" if near else "runcompss-k8s --help lists them",
        )
    if word != given or not option.takes or option.takes.endswith("?") or not rest:
        return [word]
    return [word, rest.pop(0)]


def _take_program(launch: Launch, rest: list[str], passed: list[str]) -> None:
    if launch.attach:
        if rest:
            raise InvalidInputError(f"--attach {launch.attach} takes no program", hint=f"leave out {rest[0]}")
        return
    if not rest:
        raise InvalidInputError("no program is named", hint=USAGE)
    launch.app, *arguments = rest
    launch.arguments = arguments[1:] if arguments[:1] == ["--"] else arguments
    of_runcompss = parse_runcompss([*passed, launch.app])
    launch.words = of_runcompss.words
    launch.notes += of_runcompss.notes
    launch.python_path = of_runcompss.python_path
    launch.scripts = of_runcompss.scripts
    launch.is_debug = of_runcompss.is_debug
    launch.wall_clock_s = of_runcompss.wall_clock_s


def _check(launch: Launch) -> None:
    least, most = launch.least, launch.most
    if least is not None and most is not None and least > most:
        raise InvalidInputError(
            f"at least {least} workers and at most {most} cannot be", hint="--min-workers and --max-workers"
        )
    if launch.is_detached and not launch.in_cluster:
        raise InvalidInputError(
            "--detach with the program on this machine would end it", hint="leave out --deploy-mode client"
        )
    if launch.context_dir and not launch.in_cluster:
        raise InvalidInputError(
            "--context-dir is a folder of the image, and the program runs here",
            hint="leave out one of --context-dir and --deploy-mode client",
        )
    if launch.context_dir and not launch.context_dir.startswith("/"):
        raise InvalidInputError(
            f"--context-dir={launch.context_dir} is no folder of an image", hint="as in /app"
        )
    if launch.is_detached and launch.attach:
        raise InvalidInputError("--attach and --detach contradict each other")


def table() -> str:
    """Return the options as a table in Markdown."""
    lines = ["| option | what becomes of it |", "|---|---|"]
    for option in OPTIONS:
        shown = ", ".join(f"`{name}{_shown(option.takes)}`" for name in option.names)
        lines.append(f"| {shown} | {option.fate}{': ' if option.fate else ''}{option.text} |")
    lines += ["", "Spark's properties (`--conf`):", "", "| property | option |", "|---|---|"]
    lines += [f"| `{key}` | `{name}` |" for key, name in SPARK_PROPERTIES.items()]
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
