"""Building the image: three layers, each kept under the hash of what decides it.

Lowest what changes least: Debian with Python; the locked dependencies; between them and the top what a user's
requirements add; on top continuum itself, so that an upgrade moves a few hundred kilobytes. A layer that was
built before is taken from the cache (`~/.cache/continuum/images`), which may be deleted at any time. All is
done without root and without Docker.
"""

import fcntl
import hashlib
import importlib.resources
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import msgspec

from continuum import __version__
from continuum.model.errors import InvalidInputError
from continuum.security import write_openssl_settings
from continuum.sites.images import boms, debian, layers, layouts, roots, wheels
from continuum.sites.images.layouts import Layer

ARCHITECTURES = {"x86_64": "amd64"}
BILL = "usr/share/continuum/sbom.cdx.json"
OPENSSL_FILE = "etc/continuum/openssl.cnf"
ENVIRONMENT = (
    "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "LANG=C.UTF-8",
    "PYTHONUNBUFFERED=1",
    "PYTHONDONTWRITEBYTECODE=1",
    f"HOME=/{roots.STATE_FOLDER}",
    f"CONTINUUM_HOME=/{roots.STATE_FOLDER}",
    f"OPENSSL_CONF=/{OPENSSL_FILE}",
)

Tell = Callable[[str], None]


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to build. `name` is `REPOSITORY:TAG`; empty fields mean the defaults."""

    out: Path
    name: str = ""
    requirements: Path | None = None
    cache: Path
    debian_mirror: str = ""


class BuiltImage(msgspec.Struct, frozen=True, kw_only=True):
    """What was built, and how long it took."""

    path: Path
    name: str
    digest: str
    archive_bytes: int
    unpacked_bytes: int
    layers: tuple[Layer, ...]
    took_s: float


def default_cache() -> Path:
    """Return the folder in which layers and packages are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "continuum" / "images"


def build_image(options: BuildOptions, tell: Tell) -> BuiltImage:
    """Build the image and write its archive."""
    started_at = time.monotonic()
    name = options.name or f"localhost/continuum:{__version__}"
    if ":" not in name.rpartition("/")[2] or "/" not in name:
        raise InvalidInputError(
            f"the image's name {name!r} is not HOST/NAME:TAG",
            hint=f"such as localhost/{name.partition(':')[0].rpartition('/')[2]}:{__version__}",
        )
    options.cache.mkdir(parents=True, exist_ok=True)
    with _alone(options.cache), tempfile.TemporaryDirectory(prefix="continuum-image-") as work:
        built = _Builder(options, Path(work), tell).build()
        config = _describe(built)
        digest = layouts.write_archive(options.out, name, config, built)
    return BuiltImage(
        path=options.out,
        name=name,
        digest=digest,
        archive_bytes=options.out.stat().st_size,
        unpacked_bytes=sum(each.unpacked_bytes for each in built),
        layers=tuple(built),
        took_s=time.monotonic() - started_at,
    )


class _Builder:
    """One build: layers in order, each from the cache or made now."""

    def __init__(self, options: BuildOptions, work: Path, tell: Tell) -> None:
        self._options, self._work, self._tell = options, work, tell
        self._debian_text = importlib.resources.files(__package__).joinpath("debian.lock").read_text()
        self._debian = debian.parse_lock(self._debian_text)
        self._lock = wheels.find_requirements()
        self._base_key = _digest(self._debian_text, *map(_source_of, (debian, layers, roots)))
        self._locked_key = _digest(self._base_key, self._lock.read_text(), _source_of(wheels))

    def build(self) -> list[Layer]:
        """Return the layers, lowest first."""
        built = [
            self._layer("Debian and Python", self._base_key, lambda: self._folder("base")),
            self._layer("dependencies", self._locked_key, lambda: self._folder("locked")),
        ]
        if self._options.requirements is not None:
            built.append(self._user_layer(self._options.requirements))
        code = self._work / "code"
        wheels.install_project(self._folder("base"), code)
        write_openssl_settings(code / OPENSSL_FILE)
        (code / BILL).parent.mkdir(parents=True)
        (code / BILL).write_bytes(self._bill(code))
        built.append(self._pack("continuum", code, self._work / "code.tar.gz"))
        return built

    def _user_layer(self, requirements: Path) -> Layer:
        if not requirements.is_file():
            raise InvalidInputError(f"there is no file {requirements}")
        key = _digest(self._locked_key, requirements.read_text())
        return self._layer(f"requirements {key[:12]}", key, lambda: self._install_user(requirements, key))

    def _install_user(self, requirements: Path, key: str) -> Path:
        folder = self._work / f"user-{key}"
        known = self._folder("locked") / wheels.PACKAGES
        wheels.install_requirements(
            self._folder("base"), folder, self._pip(), requirements, locked=self._lock, known=known
        )
        return folder

    def _layer(self, title: str, key: str, make: Callable[[], Path]) -> Layer:
        note, blob = self._options.cache / f"{key}.json", self._options.cache / f"{key}.tar.gz"
        if note.exists() and blob.exists():
            kept = msgspec.json.decode(note.read_bytes(), type=dict[str, str | int])
            return _convert(kept, title, blob)
        self._tell(f"building the layer of {title}")
        layer = self._pack(title, make(), blob.with_suffix(".part"))
        layer.path.rename(blob)
        note.write_bytes(msgspec.json.encode({n: getattr(layer, n) for n in _LAYER_FIELDS}))
        return msgspec.structs.replace(layer, path=blob)

    def _pack(self, title: str, folder: Path, out: Path) -> Layer:
        printed = roots.run_python(self._folder("base"), (layers.__file__, str(folder), str(out)))
        return _convert(msgspec.json.decode(printed, type=dict[str, str | int]), title, out)

    def _folder(self, name: str) -> Path:
        """Return the folder `base` or `locked`, made when it is first needed and kept for the next build."""
        key = self._base_key if name == "base" else self._locked_key
        folder = self._options.cache / f"{key}.folder"
        if not folder.exists():
            part = Path(tempfile.mkdtemp(dir=self._options.cache, suffix=".part"))
            if name == "base":
                roots.make_base(part, self._debian, self._packages, mirror=self._options.debian_mirror)
            else:
                wheels.install_locked(self._folder("base"), part, self._pip(), self._lock)
            part.chmod(0o755)
            part.rename(folder)
        return folder

    @property
    def _packages(self) -> Path:
        return self._options.cache / "debian"

    def _pip(self) -> Path:
        """Return the wheel of pip, which Debian packs for virtual environments."""
        folder = self._work / "tools"
        if not folder.exists():
            for package in self._debian.packages:
                if package.use == "tool":
                    file = debian.fetch_package(
                        package, self._debian, self._packages, mirror=self._options.debian_mirror
                    )
                    debian.unpack_package(file, folder, lambda _: False)
        return next((folder / "usr/share/python-wheels").glob("pip-*.whl"))

    def _bill(self, code: Path) -> bytes:
        folders = [self._folder("base"), self._folder("locked"), code]
        return boms.describe_layers("continuum", __version__, folders)


_LAYER_FIELDS = ("digest", "size_bytes", "diff_id", "unpacked_bytes")


def _source_of(module: ModuleType) -> str:
    """Return the text of a module: whoever changes how a layer is made need not think of the cache."""
    return Path(str(module.__file__)).read_text()


def _convert(fields: dict[str, str | int], title: str, path: Path) -> Layer:
    return Layer(
        digest=str(fields["digest"]),
        size_bytes=int(fields["size_bytes"]),
        diff_id=str(fields["diff_id"]),
        unpacked_bytes=int(fields["unpacked_bytes"]),
        title=title,
        path=path,
    )


def _describe(built: list[Layer]) -> layouts.ImageConfig:
    return layouts.ImageConfig(
        architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        os="linux",
        created=layouts.CREATED,
        config=layouts.RunConfig(
            user=f"{roots.USER_ID}:{roots.USER_ID}",
            env=ENVIRONMENT,
            entrypoint=("/usr/local/bin/continuum",),
            working_dir=f"/{roots.STATE_FOLDER}",
            labels={
                "org.opencontainers.image.title": "continuum",
                "org.opencontainers.image.version": __version__,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.base.name": "debian:12 (selected packages)",
            },
        ),
        rootfs=layouts.RootFileSystem(diff_ids=tuple(each.diff_id for each in built)),
        history=tuple(
            {"created": layouts.CREATED, "created_by": "continuum image build", "comment": each.title}
            for each in built
        ),
    )


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Hold the cache against other builds; they wait."""
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in cache.glob("*.part"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
