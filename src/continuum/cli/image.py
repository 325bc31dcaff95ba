"""`continuum image`: container images for sites, built without Docker."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from continuum.cli.options import JsonOption, open_console, print_json
from continuum.sites import BuildOptions, BuiltImage, build_image, check_archive, default_cache

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def image() -> None:
    """Build and check container images."""


@app.command()
def build(  # noqa: PLR0917 -- options, all with names
    out: Annotated[Path, typer.Option("--out", "-o", help="The archive to write.")] = Path("continuum.tar"),
    name: Annotated[
        str,
        typer.Option(
            "--name", "-n", help="REPOSITORY:TAG. Default: localhost/continuum:VERSION.", show_default=False
        ),
    ] = "",
    requirements: Annotated[
        Path | None,
        typer.Option(
            "--requirements", "-r", help="A requirements.txt: what your tasks import beside continuum."
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache", help="Where layers are kept. Default: ~/.cache/continuum/images.", show_default=False
        ),
    ] = None,
    debian_mirror: Annotated[
        str, typer.Option("--debian-mirror", help="Default: deb.debian.org.", show_default=False)
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Build the image of all components and workers as an OCI archive.

    Needs no Docker and no rights: `ctr images import`, `podman load`, `docker load` and `skopeo copy
    oci-archive:` read the result. The same version gives the same digest.
    """
    options = BuildOptions(
        out=out,
        name=name,
        requirements=requirements,
        cache=cache or default_cache(),
        debian_mirror=debian_mirror,
    )
    console = open_console(stderr=True)
    built = build_image(options, lambda text: console.print(f"[dim]{text}[/]"))
    print_json(built) if as_json else _print(built)


@app.command()
def check(
    archive: Annotated[Path, typer.Argument(help="An OCI archive of one image.")], as_json: JsonOption = False
) -> None:
    """Verify every digest in an archive, and show what it holds."""
    found = check_archive(archive)
    if as_json:
        print_json(found)
        return
    console = open_console()
    console.print(f"{found.name}  {found.digest}")
    console.print(f"runs as {found.run.user}: {' '.join(found.run.entrypoint)}")


def _print(built: BuiltImage) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "packed", "unpacked", "digest"):
        table.add_column(heading, justify="left" if heading in {"layer", "digest"} else "right")
    for layer in built.layers:
        table.add_row(
            layer.title, _megabytes(layer.size_bytes), _megabytes(layer.unpacked_bytes), layer.digest[7:19]
        )
    console = open_console()
    console.print(table)
    console.print(
        f"{built.path}: {built.name}, {_megabytes(built.archive_bytes)} packed, "
        f"{_megabytes(built.unpacked_bytes)} unpacked, in {built.took_s:.1f} s"
    )
    console.print(f"digest {built.digest}")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
