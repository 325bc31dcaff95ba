"""`continuum run log`: what the tasks of a run printed, from the files in which sites keep it.

A site keeps one file per run beside its agent's state; those of an embedded continuum lie in this home.
What a site on another machine keeps is read there.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.cli.run.arguments import RunArgument, TaskArgument
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.sites import Home
from continuum.workflow import find_folder, read_summary

MOST_BYTES = 1024 * 1024
FOLLOW_EVERY_S = 0.25
_OF_TASK = re.compile(rb"\[task (\d+) ")


def output_files(home: Home, folder: Path) -> dict[str, Path]:
    """Return the files with what tasks of a run printed, by site."""
    found = {"local": folder / "output.log"}
    for site in sorted((home.path / "sites").glob("*")):
        found[site.name] = home.site_folder(site.name) / "agent" / "runs" / f"{folder.name}.log"
    return {site: path for site, path in found.items() if path.is_file()}


def log(
    run: RunArgument,
    task: TaskArgument = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what the tasks of a run printed, site by site; with TASK, that task alone."""
    opened = open_home(home)
    folder = find_folder(opened.runs(), run)
    if follow:
        if as_json:
            raise InvalidInputError("--follow prints lines as they come", hint="leave --json or --follow out")
        _follow(opened, folder, task)
        return
    files = output_files(opened, folder)
    elsewhere = _sites_elsewhere(opened, folder)
    if not files:
        raise NotFoundError(
            f"no output of the run {folder.name} is kept here",
            hint=_where(elsewhere, folder) if elsewhere else "its tasks printed nothing",
        )
    lines = {site: list(_lines(path, task)) for site, path in files.items()}
    if as_json:
        print_json(lines)
        return
    for site, printed in lines.items():
        for line in printed:
            typer.echo(f"{site} {line}")
    if elsewhere:
        typer.echo(_where(elsewhere, folder), err=True)


def _sites_elsewhere(home: Home, folder: Path) -> list[str]:
    """Return the sites that ran tasks and whose agents keep their state on other machines."""
    ran = [site.name for site in read_summary(folder).sites if site.tasks and site.name != "local"]
    return [name for name in ran if not (home.site_folder(name) / "agent").is_dir()]


def _where(sites: list[str], folder: Path) -> str:
    return (
        f"what tasks printed at {', '.join(sites)} is kept on the machines of these sites, in the folder of "
        f"their agent's state: runs/{folder.name}.log"
    )


def _follow(home: Home, folder: Path, task: int | None) -> None:
    """Print what is there and what comes, until the run has ended."""
    read: dict[str, int] = {}
    try:
        while True:
            is_over = read_summary(folder).state not in {
                "running",
                "waiting",
            }  # before what it printed is read
            for site, path in output_files(home, folder).items():
                with path.open("rb") as file:
                    file.seek(read.get(site, 0))
                    whole, newline, _ = file.read().rpartition(b"\n")
                read[site] = read.get(site, 0) + len(whole) + len(newline)
                for line in whole.split(b"\n") if newline else ():
                    if _is_of(line, task):
                        typer.echo(f"{site} {line.decode(errors='replace')}")
            if is_over:
                return
            time.sleep(FOLLOW_EVERY_S)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _is_of(line: bytes, task: int | None) -> bool:
    tag = _OF_TASK.match(line)
    return task is None or (tag is not None and int(tag[1]) == task)


def _lines(path: Path, task: int | None) -> Iterator[str]:
    """Yield the newest lines of a file, at most `MOST_BYTES` of them."""
    with path.open("rb") as file:
        skipped = max(0, path.stat().st_size - MOST_BYTES)
        file.seek(skipped)
        if skipped:
            file.readline()
            yield f"… {skipped} bytes before are left out: {path}"
        for line in file:
            if _is_of(line, task):
                yield line.decode(errors="replace").rstrip("\n")
