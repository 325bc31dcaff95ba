"""What a driver in a pod is given, as files of a Secret: a home with one identity, an order, the program."""

import datetime as dt
import io
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from continuum.cli.runcompss_k8s.launches import Launch
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.sites import SiteKind
from continuum.security import create_identity
from continuum.sites import Home, JoinedCluster, SiteAddress, format_document
from continuum.workflow import archive_modules

DRIVER = "driver"
IDENTITY_LIFE = dt.timedelta(hours=24)
ORDER, PROGRAM, CA = "order.json", "program.zip", "ca.pem"
IDENTITY = ("certificate.pem", "key.pem", "signing-certificate.pem", "signing-key.pem")
HOME_FILES = ("continuum.json", "credentials.json")
FOLDERS = "folders"  # of the bucket of runs: `folders/RUN.tar.gz`
MOST_FILES = 10_000


class DriverOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pod does: `continuum run WORDS APP ARGUMENTS` in `folder` (empty: where the program was
    unpacked). `wall_clock_s` 0: without a limit."""

    run_id: str
    site: str
    words: tuple[str, ...]
    app: str
    arguments: tuple[str, ...]
    folder: str = ""
    wall_clock_s: float = 0.0
    is_debug: bool = False


def make_order(launch: Launch, run_id: str) -> DriverOrder:
    """Return the order of a launch. Raises `InvalidInputError` for what only this machine has."""
    if launch.python_path or launch.scripts:
        option = "--pythonpath" if launch.python_path else "--env_script"
        raise InvalidInputError(
            f"{option} names something of this machine, and the program runs in a pod",
            hint="--files sends modules along, --env sets variables, --image has what is large; or "
            "--deploy-mode client",
        )
    return DriverOrder(
        run_id=run_id,
        site=launch.site,
        words=(*launch.words_of_run(), "--run-id", run_id),
        app=launch.app if launch.context_dir else Path(launch.app).name,
        arguments=tuple(launch.arguments),
        folder=launch.context_dir,
        wall_clock_s=launch.wall_clock_s,
        is_debug=launch.is_debug,
    )


def make_files(home: Home, cluster: JoinedCluster, launch: Launch, order: DriverOrder) -> dict[str, bytes]:
    """Return all that the driver is given. Raises `NotFoundError` and `InvalidInputError`."""
    files = {
        ORDER: msgspec.json.encode(order),
        "continuum.json": _describe(home, cluster),
        "credentials.json": home.credentials_file.read_bytes(),
        **_make_identity(home),
    }
    if not launch.context_dir:
        files[PROGRAM] = pack_program(Path(launch.app), launch.files)
    return files


def pack_program(app: Path, further: list[str]) -> bytes:
    """Return a zip archive of a program, the modules beside it and further files, as they lie from here."""
    packed = io.BytesIO()
    modules = archive_modules(app)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as writer:
        names = {app.name}
        writer.writestr(zipfile.ZipInfo(app.name), app.read_bytes(), zipfile.ZIP_DEFLATED)
        if modules:
            with zipfile.ZipFile(io.BytesIO(modules)) as reader:
                for name in reader.namelist():
                    names.add(name)
                    writer.writestr(zipfile.ZipInfo(name), reader.read(name), zipfile.ZIP_DEFLATED)
        for name, path in _find_files(further):
            if name not in names:
                names.add(name)
                writer.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _find_files(further: list[str]) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for word in further:
        path = Path(word)
        if not path.exists():
            raise NotFoundError(f"--files: there is no {word}")
        base = Path() if not path.is_absolute() and ".." not in path.parts else path.parent
        inner = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        found += [(str(each.relative_to(base)), each) for each in sorted(inner)]
    if len(found) > MOST_FILES:
        raise InvalidInputError(f"--files: {len(found)} files are too many", hint="put them into the store")
    return found


def _describe(home: Home, cluster: JoinedCluster) -> bytes:
    """Return the continuum as a pod of the site sees it: this one site, the backbone from outside."""
    settings = cluster.settings
    site = SiteAddress(
        name=settings.name,
        kind=SiteKind.KUBERNETES.value,
        gateway_url=settings.gateway_url,
        computing_units=settings.computing_units,
    )
    known = home.continuum()
    hub_host = urlsplit(settings.backbone_url).hostname
    hub_port = urlsplit(known.hub_url).port
    return format_document(
        msgspec.structs.replace(
            known,
            sites=(site,),
            backbone_url=settings.backbone_url,
            hub_url=f"https://{hub_host}:{hub_port}",
            stores={},
            costs={},
            offers={},
            links=(),
        )
    )


def _make_identity(home: Home) -> dict[str, bytes]:
    """Return a driver's identity that ends in a day, and the authority's certificate."""
    if not (home.path / "ca" / "ca.key").exists():
        raise NotFoundError(
            f"the authority of the continuum is not in {home.path}: no driver's identity can be made here",
            hint="run it where `continuum up` was run, or with --deploy-mode client",
        )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ca").symlink_to(home.path / "ca")
        made = create_identity(Path(folder), DRIVER, DRIVER, lifetime=IDENTITY_LIFE)
        found = {name: made.key_file.with_name(name).read_bytes() for name in IDENTITY}
    return {**found, CA: home.ca_file.read_bytes()}
