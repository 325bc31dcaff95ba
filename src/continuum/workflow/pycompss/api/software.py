"""`from pycompss.api.software import software`."""

from continuum.workflow.kinds.configuring import software

Software = software

__all__ = ["Software", "software"]
