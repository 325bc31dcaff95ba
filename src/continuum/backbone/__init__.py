"""The backbone between sites: typed requests, events and heartbeats over NATS.

Belongs here: connecting with an identity, encoding and strict decoding of messages, errors that cross the
wire. Never here: what any message means; that is its part's business. Objects' bytes never travel here.
"""

from continuum.backbone.connections import (
    Backbone,
    BackboneSettings,
    BackboneUnavailableError,
    Handler,
    RemoteError,
    Subscription,
    inbox_prefix,
)

__all__ = [
    "Backbone",
    "BackboneSettings",
    "BackboneUnavailableError",
    "Handler",
    "RemoteError",
    "Subscription",
    "inbox_prefix",
]
