"""Sky Store's own commands, `skystore-server` and `skystore init`, over the same gateways and locator.

Belongs here: their configuration files, environment variables and options, and what processes come of them.
The server runs a hub and its backbone, a client runs a gateway in front of a store of a cloud region; both
stay in the terminal or, with `--detach`, go on alone, and both keep their state in one home.
"""

from continuum.store.skystore.commands import main, serve

__all__ = ["main", "serve"]
