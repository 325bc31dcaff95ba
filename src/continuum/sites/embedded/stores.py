"""Which kind of store each embedded site has: chosen at the first `up`, kept for as long as the site lives.

A choice is written `seaweedfs`, `directory` (a folder in the home) or `directory:/path` (any folder).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.sites.embedded.directories import DIRECTORY_PORT_NAMES
from continuum.sites.embedded.seaweedfs import OUTER, STORE_PORT_NAMES

SEAWEEDFS, DIRECTORY = "seaweedfs", "directory"
_HINT = "seaweedfs, directory or directory:/path; for one site: edge=directory"


def choose_stores(
    wanted: Sequence[str], before: Mapping[str, str], earlier: Sequence[str], names: Sequence[str]
) -> dict[str, str]:
    """Return each site's choice. `before` are the choices that were written down, `earlier` the sites that
    there are already. Raises `InvalidInputError`, `ConflictError`."""
    asked = _parse(wanted, names)
    chosen: dict[str, str] = {}
    for name in names:
        if name in earlier:
            chosen[name] = before.get(name, SEAWEEDFS)
            if asked.get(name, chosen[name]) != chosen[name]:
                raise ConflictError(
                    f"the store of {name} is {chosen[name]}, and its objects lie there",
                    hint="leave --store out, or begin another continuum with --home",
                )
        else:
            chosen[name] = asked.get(name, SEAWEEDFS)
    _check_folders(chosen)
    return chosen


def _parse(wanted: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    asked: dict[str, str] = {}
    for word in wanted:
        site, equals, choice = word.partition("=")
        choice = _check(choice if equals else site)
        if equals and site not in names:
            raise InvalidInputError(f"there is no site {site!r} to have a store", hint=", ".join(names))
        asked |= {site: choice} if equals else dict.fromkeys(names, choice)
    return asked


def _check(choice: str) -> str:
    kind, colon, path = choice.partition(":")
    if kind not in {SEAWEEDFS, DIRECTORY} or (colon and (kind != DIRECTORY or not path)):
        raise InvalidInputError(f"{choice!r} is no kind of store", hint=_HINT)
    return f"{DIRECTORY}:{Path(path).expanduser().absolute()}" if colon else choice


def _check_folders(chosen: Mapping[str, str]) -> None:
    folders: dict[str, str] = {}
    for name, choice in chosen.items():
        path = choice.partition(":")[2]
        if not path:
            continue
        if path in folders:
            raise InvalidInputError(
                f"{folders[path]} and {name} cannot have the same folder as their store",
                hint="--store edge=directory:/one,cloud=directory:/other",
            )
        if not Path(path).is_dir():
            raise InvalidInputError(f"there is no folder {path} to be the store of {name}")
        folders[path] = name


def is_directory(choice: str) -> bool:
    """Whether a choice is a plain folder."""
    return choice.partition(":")[0] == DIRECTORY


def find_root(choice: str, site_folder: Path) -> Path:
    """Return the folder that a directory store serves."""
    path = choice.partition(":")[2]
    return Path(path) if path else site_folder / "store"


def port_names(choice: str, *, is_open: bool = False) -> tuple[str, ...]:
    """Return the names of the ports that a store needs; if it `is_open`, other machines reach it."""
    if is_directory(choice):
        return DIRECTORY_PORT_NAMES
    return (*STORE_PORT_NAMES, OUTER) if is_open else STORE_PORT_NAMES
