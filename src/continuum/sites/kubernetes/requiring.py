"""Whether this installation can speak to clusters, asked before anything imports what it may lack."""

from importlib.util import find_spec

from continuum.model.errors import NotFoundError


def require_client() -> None:
    """Raise `NotFoundError` if the extra `kubernetes` is not installed."""
    if find_spec("lightkube") is None:
        raise NotFoundError(
            "this installation of continuum cannot speak to Kubernetes clusters",
            hint="pip install 'extract-continuum[kubernetes]'",
        )
