"""`continuum store backup|restore`: the index in a file, taken while everything runs, and the way back.

Both work on the database itself, from the machine of a hub: they need what the hub's settings say of it, not
the hub.
"""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.policies.amounts import format_size
from continuum.sites import find_database_urls, read_hub_settings, resolve_url

if TYPE_CHECKING:
    from continuum.store import IndexBackup

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        help="The settings of a hub that was not started by `continuum up`.",
        show_default="those in the home",
    ),
]


def backup(
    file: Annotated[Path, typer.Argument(help="The backup to write; it must not exist.")],
    settings: SettingsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back the index up into one file, while hubs and gateways go on.

    The file holds buckets, objects, users, policies: everything but the objects' bytes, which are in the
    stores. Secrets in it are sealed; the key file of the hub and the master keys of encrypted objects are not
    in it: keep copies of them elsewhere.

    Examples:

    * `continuum store backup /backups/monday.sqlite`

    * `continuum store backup hourly.sqlite --settings /etc/continuum/hub.json`
    """
    from continuum.store import back_up_index  # noqa: PLC0415 -- it loads the database's drivers

    chosen = open_home(home)
    hub = read_hub_settings(settings or chosen.hub_settings_file)
    with Display(is_quiet=as_json) as display:
        taken = back_up_index(find_database_urls(hub)[0], file, display.report)
    if as_json:
        print_json(taken)
        return
    _tell(file, taken)
    console = open_console(stderr=True)
    console.print(f"not in it: {hub.key_file}, without which nobody can open the secrets in it", style="dim")
    if settings is None and chosen.master_keys_file.exists():
        console.print(f"not in it: {chosen.master_keys_file}, which opens encrypted objects", style="dim")


def restore(  # noqa: PLR0917 -- typer takes options from parameters
    file: Annotated[Path, typer.Argument(help="A backup.")],
    database: Annotated[
        str,
        typer.Option(
            help="Restore into another PostgreSQL database, and use that from now on: file:PATH or env:NAME.",
            show_default="the one that the hub uses",
        ),
    ] = "",
    is_replacing: Annotated[
        bool, typer.Option("--replace", help="Also if there is an index already.")
    ] = False,
    settings: SettingsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the index what a backup holds. All hubs must be down.

    SQLite's file that was there is kept beside. From SQLite to PostgreSQL and back: a backup of the one,
    restored into the other.

    Examples:

    * `continuum down; continuum store restore /backups/monday.sqlite --replace; continuum up`

    * `continuum store restore monday.sqlite --database file:/etc/continuum/database.url`
    """
    from continuum.store import restore_index  # noqa: PLC0415 -- it loads the database's drivers

    chosen = open_home(home)
    hub = read_hub_settings(settings or chosen.hub_settings_file)
    url = resolve_url(database) if database else find_database_urls(hub)[0]
    with Display(is_quiet=as_json) as display:
        found = restore_index(file, url, display.report, is_replacing=is_replacing)
    if database and settings is None:
        chosen.note_database(database)
    if as_json:
        print_json(found)
        return
    _tell(file, found)
    open_console(stderr=True).print(
        f"What was written after {_format(found.created_at)} is in the stores and in no list; what was "
        "replaced or deleted since is listed, maybe without its bytes.\n"
        "next: `continuum up`, then `continuum store verify` says what is missing and what belongs to nobody "
        "(look before you add --repair: it removes what belongs to nobody)",
        style="yellow",
    )


class Display:
    """Shows how far it is, on a terminal."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=open_console(stderr=True),
            transient=True,
            disable=is_quiet,
        )
        self._task: TaskID

    def __enter__(self) -> "Display":
        self._progress.start()
        self._task = self._progress.add_task("opening", total=1)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, what: str, done: int, total: int) -> None:
        """Show it."""
        self._progress.update(self._task, description=what, completed=done, total=max(total, 1))


def _tell(file: Path, taken: "IndexBackup") -> None:
    open_console().print(
        f"{file}: {taken.objects:,} objects in {taken.buckets:,} buckets as of "
        f"{_format(taken.created_at)}, {format_size(taken.size_bytes)}"
    )


def _format(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)
