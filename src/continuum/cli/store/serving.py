"""`continuum store serve`: a folder of this machine as a store, for a site on a machine of its own."""

import os
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from continuum.model.errors import InvalidInputError
from continuum.store import DirectoryKeys, DirectorySettings, resolve_keys, serve_directory

_DEFAULT_PORT = 8443


def serve(  # noqa: PLR0917 -- typer takes options from parameters
    directory: Annotated[Path, typer.Argument(help="The folder: each folder in it is a bucket.")],
    listen: Annotated[
        str, typer.Option(help="HOST:PORT; other hosts than 127.0.0.1 need a certificate; port 0 picks one.")
    ] = f"127.0.0.1:{_DEFAULT_PORT}",
    credentials: Annotated[
        str,
        typer.Option(
            help="Where the keys that clients must have are: file:PATH, env:PREFIX or profile:NAME."
        ),
    ] = "",
    certificate: Annotated[
        Path | None,
        typer.Option(help="The certificate of the host (PEM, with its chain).", show_default=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The certificate's private key (PEM).", show_default=False)
    ] = None,
    bucket: Annotated[str, typer.Option(help="Make this bucket if it is missing.")] = "",
) -> None:
    """Serve a folder as an S3 store, in the foreground, until Ctrl-C or SIGTERM.

    It needs no continuum on this machine. Prints `ready URL` when it serves; a continuum takes it as a store
    with `continuum store add NAME --endpoint URL`, Sky Store's gateways with SKYSTORE_ENDPOINTS.

    Example: `continuum store serve /srv/lab --listen 0.0.0.0:8443 --certificate lab.pem --key lab.key
    --credentials env:LAB`
    """
    if not credentials:
        raise InvalidInputError(
            "the keys that clients must have are not given",
            hint="--credentials file:PATH, env:PREFIX or profile:NAME",
        )
    if not directory.expanduser().is_dir():
        raise InvalidInputError(f"there is no folder {directory}")
    keys = resolve_keys(credentials, os.environ)
    host, port = _read_listen(listen)
    uvloop.run(
        serve_directory(
            DirectorySettings(
                name=directory.name or "store",
                folder=directory.expanduser().absolute(),
                keys=(DirectoryKeys(access_key=keys.access_key, secret_key=keys.secret_key),),
                listen_host=host,
                listen_port=port,
                tls_certificate_file=certificate,
                tls_key_file=key,
                bucket=bucket,
            )
        )
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def _read_listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise InvalidInputError(f"{text!r} is not where to listen", hint="HOST:PORT, as 127.0.0.1:8443")
    return host.strip("[]"), int(port)
