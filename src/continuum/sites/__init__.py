"""Sites: places with compute and usually a store; homes, agents and registry, which make them one continuum.

Belongs here: what stands for a site (the agent), who knows of all sites (the registry), how a continuum is
set up on a machine. Never here: what tasks and objects are.

Names are imported when they are first used: a driver needs a home, not the supervisor.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.sites.agents import AgentSettings
    from continuum.sites.documents import format_document, read_document
    from continuum.sites.embedded.preparing import UpOptions
    from continuum.sites.embedded.starting import run_in_foreground, start
    from continuum.sites.homes import Continuum, Credentials, Home, SiteAddress
    from continuum.sites.hubs import HubSettings, UserFile, read_hub_settings
    from continuum.sites.registry import KnownSite, Registry, Sites, list_sites
    from continuum.sites.supervision.controlling import ContinuumStatus, ProcessStatus, find_status, stop
    from continuum.sites.supervision.starting import Progress, StartFailedError

_HOMES = {
    "AgentSettings": "agents",
    "Continuum": "homes",
    "ContinuumStatus": "supervision.controlling",
    "Credentials": "homes",
    "Home": "homes",
    "HubSettings": "hubs",
    "KnownSite": "registry",
    "ProcessStatus": "supervision.controlling",
    "Progress": "supervision.starting",
    "Registry": "registry",
    "SiteAddress": "homes",
    "Sites": "registry",
    "StartFailedError": "supervision.starting",
    "UpOptions": "embedded.preparing",
    "UserFile": "hubs",
    "find_status": "supervision.controlling",
    "list_sites": "registry",
    "read_hub_settings": "hubs",
    "format_document": "documents",
    "read_document": "documents",
    "run_in_foreground": "embedded.starting",
    "start": "embedded.starting",
    "stop": "supervision.controlling",
}

__all__ = [
    "AgentSettings",
    "Continuum",
    "ContinuumStatus",
    "Credentials",
    "Home",
    "HubSettings",
    "KnownSite",
    "ProcessStatus",
    "Progress",
    "Registry",
    "SiteAddress",
    "Sites",
    "StartFailedError",
    "UpOptions",
    "UserFile",
    "find_status",
    "format_document",
    "list_sites",
    "read_document",
    "read_hub_settings",
    "run_in_foreground",
    "start",
    "stop",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
