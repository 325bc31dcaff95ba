"""The gateway: the S3 endpoint of a site, over the stores of all sites."""

from continuum.store.gateway.settings import GatewaySettings, Limits, format_settings, read_settings

__all__ = ["GatewaySettings", "Limits", "format_settings", "read_settings"]
