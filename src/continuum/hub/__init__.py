"""The hub: the central services of a continuum in one process.

Belongs here: putting locator, registry of sites and registry of runs on one backbone, and the HTTPS API and
page over them. Never here: what any of these services does.
"""

from continuum.hub.composing import Hub

__all__ = ["Hub"]
