"""The gateway: the S3 endpoint of a site, over the stores of all sites."""

from continuum.store.gateway.settings import (
    BlockSettings,
    GatewaySettings,
    Limits,
    format_settings,
    read_settings,
)

__all__ = ["BlockSettings", "GatewaySettings", "Limits", "format_settings", "read_settings"]
