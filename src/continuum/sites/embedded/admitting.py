"""Whom the backbone of a running continuum lets in: its configuration written anew, nats-server told by a
signal.

Those whose certificates it still names keep their connections; those whom it does not name any more lose
theirs at once. A server that cannot read the file goes on as before and says so in its log.
"""

import os
import signal
from collections.abc import Sequence

from continuum.security import write_private
from continuum.sites.embedded.plans import plan_backbone_file
from continuum.sites.homes import Home
from continuum.sites.supervision.controlling import find_status
from continuum.sites.supervision.folders import choose_run_folder


def admit(home: Home, joined: Sequence[str]) -> bool:
    """Let in the sites of `home` and those that `joined`, nobody else; return whether a server was told.

    If nothing runs nothing is done: the next `continuum up` knows who joined.
    """
    server = next((each for each in find_status(home).processes if each.name == "nats" and each.pid), None)
    if server is None:
        return False
    file = plan_backbone_file(home.path, choose_run_folder(home.path), home.continuum(), joined)
    write_private(file.path, file.data)
    os.kill(server.pid, signal.SIGHUP)
    return True
