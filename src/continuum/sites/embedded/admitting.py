"""Whom the backbone of a running continuum lets in: its configuration written anew, nats-server told by a
signal.

Those whose certificates it still names keep their connections; those whom it does not name any more lose
theirs at once. A server that cannot read the file goes on as before and says so in its log; so whoever calls
`admit` tries the door afterwards (`wait_until`).

Not promised: an answer that is on its way at that instant is lost (nats-server forgets who may answer whom),
and is asked for again when its time is up.
"""

import asyncio
import os
import signal
from collections.abc import Sequence

from continuum.backbone import Backbone, BackboneUnavailableError
from continuum.model.errors import UnavailableError
from continuum.security import write_private
from continuum.sites.embedded.plans import plan_backbone_file
from continuum.sites.homes import Home
from continuum.sites.supervision.controlling import find_status
from continuum.sites.supervision.folders import choose_run_folder

PATIENCE_S = 10.0
_TRY_EVERY_S = 0.1


def admit(home: Home, joined: Sequence[str]) -> bool:
    """Let in the sites of `home` and those that `joined`, nobody else; return whether a server was told.

    If nothing runs nothing is done: the next `continuum up` knows who joined.
    """
    server = next((each for each in find_status(home).processes if each.name == "nats" and each.pid), None)
    if server is None:
        return False
    drivers = home.list_drivers()
    file = plan_backbone_file(home.path, choose_run_folder(home.path), home.continuum(), joined, drivers)
    write_private(file.path, file.data)
    os.kill(server.pid, signal.SIGHUP)
    return True


async def wait_until(home: Home, identity: str, *, is_admitted: bool) -> None:
    """Return when the backbone lets an identity in, or does not any more. Raises `UnavailableError`."""
    settings = home.backbone_settings(identity)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            await (await Backbone.connect(settings)).close()
        except BackboneUnavailableError:
            if not is_admitted:
                return
        else:
            if is_admitted:
                return
        if asyncio.get_running_loop().time() > deadline:
            what = "does not let" if is_admitted else "still lets"
            raise UnavailableError(
                f"the backbone {what} {identity} in", hint=f"its log says why: {home.logs() / 'nats.log'}"
            )
        await asyncio.sleep(_TRY_EVERY_S)
