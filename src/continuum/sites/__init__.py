"""Sites: places with compute and usually a store; the homes, agents and registry that make them one
continuum.

Belongs here: what stands for a site (the agent), who knows of all sites (the registry), how a continuum is
set up on a machine. Never here: what tasks and objects are.
"""

from continuum.sites.homes import Continuum, Credentials, Home, SiteAddress

__all__ = ["Continuum", "Credentials", "Home", "SiteAddress"]
