"""Who may have a site execute tasks: the owner everywhere, other users where they were granted it.

A user is an identity `driver.USER`; that of the continuum's owner is `driver`. Rights are kept in the home of
the hub (HOME/hub/rights.json), which tells an agent those of its site in each answer to its announcements.
The agent holds to the last that it heard: one that is cut off goes on with it, one that was never told any
lets the owner in and nobody else. So a right that is granted or taken back counts about two seconds later,
and at a site that is cut off when it is back.
"""

import re
from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.security import write_private
from continuum.sites.documents import format_document, read_document
from continuum.sites.homes import Home

OWNER = "driver"
MAX_USERS = 1000
_USER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """Which users may use which sites, besides the owner."""

    sites: dict[str, tuple[str, ...]] = {}

    def of(self, site: str) -> tuple[str, ...]:
        """Return the users of a site in the order of their names."""
        return self.sites.get(site, ())

    def grant(self, site: str, user: str) -> "Rights":
        """Return these rights and that one. Raises `InvalidInputError`."""
        users = tuple(sorted({*self.of(site), user}))
        if len(users) > MAX_USERS:
            raise InvalidInputError(f"a site has {MAX_USERS} users at most")
        return Rights(sites=self.sites | {site: users})

    def revoke(self, site: str, user: str) -> "Rights":
        """Return these rights without that one. Raises `NotFoundError`."""
        if user not in self.of(site):
            raise NotFoundError(f"{user} has no right on site {site}")
        left = tuple(each for each in self.of(site) if each != user)
        others = {name: users for name, users in self.sites.items() if name != site}
        return Rights(sites=others | ({site: left} if left else {}))

    def forget(self, user: str) -> "Rights":
        """Return these rights without any of a user."""
        sites = {site: tuple(each for each in users if each != user) for site, users in self.sites.items()}
        return Rights(sites={site: users for site, users in sites.items() if users})


class RightsFile:
    """The rights as they stand in a file, read again when it has changed. No file: nobody has any."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark: tuple[int, int, int] | None = None
        self._rights = Rights()

    def users_of(self, site: str) -> tuple[str, ...]:
        """Return the users of a site. Raises `InvalidInputError` if the file cannot be read."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._mark, self._rights = None, Rights()
            return ()
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        if mark != self._mark:
            self._rights = read_document(self._path, Rights)
            self._mark = mark
        return self._rights.of(site)


def rights_file(home: Home) -> Path:
    """Return where the rights are kept."""
    return home.path / "hub" / "rights.json"


def read_rights(home: Home) -> Rights:
    """Return the rights as they stand."""
    path = rights_file(home)
    return read_document(path, Rights) if path.exists() else Rights()


def write_rights(home: Home, rights: Rights) -> None:
    """Let other rights hold from now on."""
    write_private(rights_file(home), format_document(rights))


def parse_user_name(text: str) -> str:
    """Return the name of a user who can drive runs. Raises `InvalidInputError`."""
    if not _USER_NAME.fullmatch(text):
        raise InvalidInputError(
            f"{text!r} cannot name a user who drives runs", hint="lower-case letters, digits, dashes"
        )
    return text


def identity_of_user(user: str) -> str:
    """Return the identity with which a user drives runs."""
    return f"{OWNER}.{user}"
