"""`continuum run APP.py [ARGUMENTS]`: run a program whose task calls become a workflow."""

import contextlib
import difflib
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.core import TyperCommand

from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.cli.run.asking import Image, Profile, RunId, Volumes, WorkerMemory, WorkerUnits, ask_of_pool
from continuum.cli.run.executing import Outcome, execute
from continuum.cli.run.handing import hand
from continuum.cli.run.interrupting import (
    end_at_once_on_signals,
    interrupt_on_sigterm,
    output_to_stderr,
    status_of,
)
from continuum.cli.run.progress import Progress, print_end
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.patience import PATIENCE_S
from continuum.model.scaling import parse_workers
from continuum.sites import Home
from continuum.workflow import COMPSS, HOLD_S, Beginning, RunOptions, Session, parse_engine

_COMMANDS = (
    *("list", "show", "explain", "log", "watch", "events"),
    *("report", "gantt", "graph", "trace", "compare", "simulate", "crate", "resume", "cancel", "forget"),
)

_MEANT = {
    "provenance": "crate",
    "status": "show",
    "info": "show",
    "describe": "show",
    "output": "log",
    "stop": "cancel",
    "kill": "cancel",
    "restart": "resume",
    "why": "explain",
    "story": "explain",
    "timeline": "gantt",
    "dag": "graph",
}
HELP_OF_PROGRAM = """
Examples:

* `continuum run app.py 10 20` - run app.py with its arguments over all sites

* `continuum run --local app.py` - run it on this machine alone

* `continuum run --site edge app.py` - run every task at the site edge

* `continuum run --site lab --workers 0-4 --worker-memory 2G app.py` - with worker pods at a site in a cluster

* `continuum run --objective greenest app.py` - run tasks where they emit least

* `continuum run --name join --after first --after second join.py` - wait for two other runs first

Other commands:

* `continuum run list` - the runs on this continuum

* `continuum run show RUN` - one run: its functions, sites, failures

* `continuum run log RUN [TASK]` - what its tasks printed

* `continuum run explain RUN [TASK]` - why tasks ran where they ran, and what became of them

* `continuum run watch RUN`, `continuum run events RUN --follow` - look on from another terminal

* `continuum run report RUN` - one page with its timeline, graph, functions, sites and failures

* `continuum run compare A B` - what differs between two runs

* `continuum run crate RUN` - the run as an RO-Crate, with code, versions, inputs and outputs

* `continuum run gantt RUN`, `continuum run graph RUN` - pictures of it

* `continuum run cancel RUN` - end a run that goes on

* `continuum run resume RUN` - go on with a run that failed, was cancelled, or whose driver died

* `continuum run forget RUN`, `continuum run forget --older 30d` - remove what is kept of runs that have ended
"""


class ProgramContext(typer.Context):
    """The context of a command whose own name is not typed."""

    @property
    def command_path(self) -> str:
        """What one types: the name of the group."""
        return str(self.parent.command_path) if self.parent is not None else ""


class ProgramCommand(TyperCommand):
    """Shows itself as `continuum run`, which is what one types."""

    context_class = ProgramContext


def program(  # noqa: PLR0917 - typer passes what the command line says
    app: Annotated[Path, typer.Argument(metavar="APP.py", help="The program.", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGUMENTS", help="Its arguments.", show_default=False)
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Name of the run.", show_default="the program's name")
    ] = "",
    placement: Annotated[
        str,
        typer.Option(
            "--placement",
            help="data: where a task is done first, with its inputs moved there; greedy: without looking "
            "ahead; gravity: where most of its inputs are; load: data do not count; or the name of a site, "
            "for all tasks.",
            show_default="data; the site, with --site",
        ),
    ] = "",
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            help="fastest, cheapest, greenest, or weights: time=0.6,cost=0.3,energy=0.1.",
        ),
    ] = "fastest",
    after: Annotated[
        list[str] | None,
        typer.Option("--after", metavar="RUN", help="Wait until this run (name or id) has succeeded."),
    ] = None,
    site: Annotated[
        str,
        typer.Option(
            "--site",
            help="The run's site: all its tasks run there, and the program uses its gateway if this machine "
            "reaches that. With --placement tasks may go elsewhere.",
        ),
    ] = "",
    local: Annotated[
        bool, typer.Option("--local", help="Run all tasks on this machine, also if no continuum is up.")
    ] = False,
    units: Annotated[
        int,
        typer.Option("--units", min=0, help="With --local: how many computing units.", show_default="all"),
    ] = 0,
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", min=0, help="With --local: how many GPUs.", show_default="those found"),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="With --local: pool; dask, which starts one; or a Dask scheduler, tcp://HOST:PORT. compss: "
            "the COMPSs runtime of this machine runs the whole program.",
        ),
    ] = "pool",
    workers: Annotated[
        str,
        typer.Option(
            "--workers",
            metavar="MIN-MAX[:SECONDS]",
            help="Between what the workers of this machine (--local), or worker pods, follow the queue; idle "
            "ones go after 30 s.",
            show_default="as many as tasks can use; what the site does",
        ),
    ] = "",
    worker_units: WorkerUnits = 0,
    worker_memory: WorkerMemory = "",
    image: Image = "",
    volume: Volumes = None,
    profile: Profile = "",
    compss_option: Annotated[
        list[str] | None,
        typer.Option(
            "--compss-option", metavar="OPTION", help="With --engine compss: an option of its runcompss."
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="A variable of the tasks' environment."),
    ] = None,
    checkpoint: Annotated[
        str,
        typer.Option(
            "--checkpoint",
            metavar="WHEN",
            help="When large results are copied to where they outlive the run, for `continuum run resume`: "
            "each task, every N tasks (100), every so many seconds (60s); results: at snapshots only; off: "
            "nothing is remembered.",
        ),
    ] = "results",
    retries: Annotated[
        int,
        typer.Option(
            "--retries", min=0, max=100, help="How often a task that failed is tried again (policy RETRY)."
        ),
    ] = 2,
    hold: Annotated[
        float,
        typer.Option(
            "--hold",
            metavar="SECONDS",
            min=0,
            max=86400,
            help="For how long sites go on with the run, and hold its results for `continuum run resume`, if "
            "its driver dies.",
        ),
    ] = HOLD_S,
    patience: Annotated[
        float,
        typer.Option(
            "--patience",
            metavar="SECONDS",
            min=0,
            max=86400,
            help="For how long, at most, a site that does not answer is waited for before what it has is "
            "done again elsewhere. It is less where that takes less.",
        ),
    ] = PATIENCE_S,
    graph: Annotated[bool, typer.Option("--graph/--no-graph", help="Draw the graph of tasks.")] = True,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Write the run as an RO-Crate into its folder at the end.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    run_id: RunId = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a program. Calls of its tasks run in parallel, at the sites where they fit best.

    PyCOMPSs programs run unmodified. What the program prints goes to standard output, all else to standard
    error; with --json, standard output has the JSON alone. The exit status is the program's; 1 if a task
    failed and the program did not deal with it, 130 after Ctrl-C.
    """
    _check_program(app)
    if gpus is not None and not local:
        raise InvalidInputError(
            "--gpus is for runs on this machine", hint="add --local; sites offer what they have"
        )
    if units and not local:
        raise InvalidInputError(
            "--units is for runs on this machine", hint="add --local; sites offer what they have"
        )
    if compss_option and engine != COMPSS:
        raise InvalidInputError(
            "--compss-option is for programs that COMPSs runs", hint="add --engine compss"
        )
    if engine not in {"pool", COMPSS} and not local:
        raise InvalidInputError(
            "--engine is for runs on this machine",
            hint="add --local; a site's engine is declared: continuum up --offer SITE:engine=dask",
        )
    if local:
        parse_workers(workers, engine, units or len(os.sched_getaffinity(0)))
    pool = ask_of_pool(
        is_local=local,
        workers=workers,
        units=worker_units,
        memory=worker_memory,
        image=image,
        volumes=volume,
        profile=profile,
    )
    options = RunOptions(
        run_id=run_id,
        pool=pool,
        name=_check_name(name),
        engine=engine if engine == COMPSS else parse_engine(engine),
        workers=workers,
        site=site,
        is_local=local,
        placement=placement or ("" if local or engine == COMPSS else site) or "data",
        objective=objective,
        after=tuple(after or ()),
        environment=_parse_environment(env or []),
        draws_graph=graph,
        computing_units=units,
        checkpoint=checkpoint,
        keeps_crate=provenance,
        gpus=gpus,
        retries=retries,
        hold_s=hold,
        patience_s=patience,
    )
    if engine == COMPSS:
        hand(
            open_home(home),
            app,
            arguments or [],
            options,
            compss_option or [],
            is_quiet=quiet,
            as_json=as_json,
        )
    drive(open_home(home), app, arguments or [], options, is_quiet=quiet, as_json=as_json)


def drive(
    home: Home,
    app: Path,
    arguments: list[str],
    options: RunOptions,
    *,
    is_quiet: bool,
    as_json: bool,
    resumes: Beginning | None = None,
    changed_ok: bool = False,
) -> NoReturn:
    """Run a program to its end, and end as it did."""
    if not os.environ.get("CONTINUUM_DEBUG"):
        level = logging.ERROR if is_quiet else logging.WARNING
        logging.basicConfig(level=level, format="continuum: %(message)s")
    progress = Progress(is_quiet=is_quiet)
    session = Session(
        home, app, arguments, options, tell=progress.tell, resumes=resumes, changed_ok=changed_ok
    )
    with output_to_stderr() if as_json else contextlib.nullcontext():
        outcome = _run(session, app, arguments, progress)
        if not is_quiet:
            print_end(session.summary(), session.folder, outcome)
        if options.keeps_crate:
            progress.tell(f"the crate is {_write_crate(session.folder)}")
    if as_json:
        print_json(session.summary())
    raise typer.Exit(outcome.exit_status)


def _write_crate(folder: Path) -> Path:
    from continuum.workflow import CrateOptions, write_crate  # noqa: PLC0415 - only then

    return write_crate(folder, folder / "crate", CrateOptions())


def _run(session: Session, app: Path, arguments: list[str], progress: Progress) -> Outcome:
    interrupt_on_sigterm()
    try:
        run = session.open()
        progress.start(session.driver)
        outcome = execute(run, app, arguments)
    except KeyboardInterrupt as interrupt:
        outcome = Outcome("cancelled", status_of(interrupt), reason="cancelled by the user")
    finally:
        progress.stop()
        end_at_once_on_signals(session)
    session.end(outcome.state, outcome.exit_status, reason=outcome.reason, problems=outcome.problems)
    if outcome.state == "cancelled":
        progress.tell("cancelled; ending the run (once more to end at once)")
    session.close()
    return outcome


def _check_program(app: Path) -> None:
    if app.is_dir():
        raise InvalidInputError(f"{app} is a folder, not a program", hint="name the file: its main script")
    if app.is_file():
        return
    word = str(app)
    near = [_MEANT[word]] if word in _MEANT else difflib.get_close_matches(word, _COMMANDS, n=1)
    hint = f"did you mean `continuum run {near[0]}`?" if near else f"looked for {app.absolute()}"
    if not near and word.isalpha():
        hint += f"; commands about runs: {', '.join(_COMMANDS)}"
    raise NotFoundError(f"there is no program {app}", hint=hint)


def _check_name(name: str) -> str:
    if name and (len(name) > 100 or not name.isprintable() or "/" in name):  # noqa: PLR2004 - as in the help
        raise InvalidInputError(
            f"{name!r} cannot name a run", hint="at most 100 printable characters, no slash"
        )
    return name


def _parse_environment(pairs: list[str]) -> dict[str, str]:
    environment = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"--env {pair} says nothing", hint="write --env NAME=VALUE")
        environment[name] = value
    return environment


def flush_output() -> None:
    """Let what the program printed come before what is said about it."""
    sys.stdout.flush()
    sys.stderr.flush()
