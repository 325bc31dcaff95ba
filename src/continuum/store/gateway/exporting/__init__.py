"""Bytes out of stores that only their own site can connect to: its gateway brings them where they are wanted.

A gateway that finds a version only in stores out of its reach asks the gateway of such a site to put the
stored bytes into its own store, under a physical key of its own session, and then makes a replica of them
itself. Where nobody can connect to its own store either, it asks the gateway of a third site to do so and
reads them there. Whoever asks needs no connection to the other site: requests go over the backbone, bytes
outwards from where they lie.
"""

from continuum.store.gateway.exporting.bringing import Bringer
from continuum.store.gateway.exporting.choosing import Route, plan_route
from continuum.store.gateway.exporting.exports import Exporter
from continuum.store.gateway.exporting.joining import DistantStore, Joiner

__all__ = ["Bringer", "DistantStore", "Exporter", "Joiner", "Route", "plan_route"]
