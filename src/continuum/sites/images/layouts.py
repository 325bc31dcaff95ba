"""OCI image layouts: one image in one archive, for containerd, podman, skopeo and any Docker.

The archive is an OCI layout (image-spec 1.0: `oci-layout`, `index.json`, `blobs/sha256`) and bears the
`manifest.json` of `docker save` besides, which points at the same blobs. `check_archive` reads one as a
stranger would: every descriptor's digest and size, every diff id, nothing else in it. Archives are read
without being unpacked, a blob at a time.
"""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.sites.images.layers import MTIME_S

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CREATED = "2026-01-01T00:00:00Z"
CHUNK_BYTES = 1 << 20
MAX_DOCUMENT_BYTES = 4 << 20


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that was written: `digest` of the compressed bytes in `path`, `diff_id` of the plain ones."""

    digest: str
    size_bytes: int
    diff_id: str
    unpacked_bytes: int
    title: str = ""
    path: Path = Path()


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What points at a blob."""

    media_type: str = msgspec.field(name="mediaType")
    digest: str
    size: int
    annotations: dict[str, str] = {}
    platform: dict[str, str] = {}


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """How a container of the image runs when nobody says otherwise."""

    user: str
    env: tuple[str, ...]
    entrypoint: tuple[str, ...]
    working_dir: str
    labels: dict[str, str]


class RootFileSystem(msgspec.Struct, frozen=True, kw_only=True):
    """The plain layers, lowest first."""

    diff_ids: tuple[str, ...]
    type: str = "layers"


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration blob."""

    architecture: str
    os: str
    created: str
    config: RunConfig
    rootfs: RootFileSystem
    history: tuple[dict[str, str], ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The manifest blob: its digest is the image's."""

    schema_version: int
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`index.json`."""

    schema_version: int
    manifests: tuple[Descriptor, ...]
    media_type: str = INDEX_TYPE


class ImageSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds. `digest` is what a registry would call the image."""

    name: str
    digest: str
    architecture: str
    size_bytes: int
    unpacked_bytes: int
    layers: tuple[Layer, ...]
    run: RunConfig


def write_archive(out: Path, name: str, config: ImageConfig, layers: Sequence[Layer]) -> str:
    """Write the image `name` (`REPOSITORY:TAG`) to `out`; return its digest."""
    config_data = msgspec.json.encode(config)
    manifest = Manifest(
        schema_version=2,
        media_type=MANIFEST_TYPE,
        config=_describe(CONFIG_TYPE, config_data),
        layers=tuple(Descriptor(media_type=LAYER_TYPE, digest=e.digest, size=e.size_bytes) for e in layers),
        annotations={"org.opencontainers.image.created": CREATED},
    )
    manifest_data = msgspec.json.encode(manifest)
    pointer = msgspec.structs.replace(
        _describe(MANIFEST_TYPE, manifest_data),
        annotations={
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
        },
        platform={"architecture": config.architecture, "os": config.os},
    )
    old = [
        {
            "Config": _blob(manifest.config.digest),
            "RepoTags": [name],
            "Layers": [_blob(e.digest) for e in layers],
        }
    ]
    part = out.with_name(f".{out.name}.part")
    with tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(archive, "index.json", msgspec.json.encode(Index(schema_version=2, manifests=(pointer,))))
        _add(archive, "manifest.json", msgspec.json.encode(old))
        _add(archive, _blob(manifest.config.digest), config_data)
        _add(archive, _blob(pointer.digest), manifest_data)
        for layer in {each.digest: each for each in layers}.values():
            with layer.path.open("rb") as content:
                archive.addfile(_info(_blob(layer.digest), layer.size_bytes), content)
    part.rename(out)
    return pointer.digest


def check_archive(path: Path) -> ImageSummary:
    """Read the archive as a stranger would; raise `InvalidInputError` that says what is wrong with it."""
    try:
        with tarfile.open(path) as archive:
            return _check(archive)
    except (tarfile.TarError, OSError, EOFError, KeyError, msgspec.MsgspecError) as problem:
        raise InvalidInputError(f"{path} is no OCI archive of one image: {problem}") from problem


def extract_blob(path: Path, digest: str, out: Path) -> None:
    """Write the blob `digest` of the archive `path` to `out`."""
    with tarfile.open(path) as archive, out.open("wb") as target:
        content = _open(archive, _blob(digest))
        while chunk := content.read(CHUNK_BYTES):
            target.write(chunk)


def read_config(path: Path) -> ImageConfig:
    """Return the configuration of the image in the archive `path`."""
    with tarfile.open(path) as archive:
        manifest, _ = _read_manifest(archive)
        return msgspec.json.decode(_read(archive, manifest.config), type=ImageConfig)


def _check(archive: tarfile.TarFile) -> ImageSummary:
    manifest, pointer = _read_manifest(archive)
    config = msgspec.json.decode(_read(archive, manifest.config), type=ImageConfig)
    if len(config.rootfs.diff_ids) != len(manifest.layers):
        raise InvalidInputError("the image's configuration has another number of layers than its manifest")
    layers = tuple(
        _check_layer(archive, each, diff_id, note.get("comment", ""))
        for each, diff_id, note in zip(manifest.layers, config.rootfs.diff_ids, config.history, strict=True)
    )
    wanted = {
        "oci-layout",
        "index.json",
        "manifest.json",
        _blob(pointer.digest),
        _blob(manifest.config.digest),
    }
    if surplus := set(archive.getnames()) - wanted - {_blob(each.digest) for each in manifest.layers}:
        raise InvalidInputError(f"nothing in the image points at {', '.join(sorted(surplus))}")
    return ImageSummary(
        name=pointer.annotations.get("io.containerd.image.name", ""),
        digest=pointer.digest,
        architecture=config.architecture,
        size_bytes=sum(each.size_bytes for each in layers),
        unpacked_bytes=sum(each.unpacked_bytes for each in layers),
        layers=layers,
        run=config.config,
    )


def _read_manifest(archive: tarfile.TarFile) -> tuple[Manifest, Descriptor]:
    version = msgspec.json.decode(_open(archive, "oci-layout").read(MAX_DOCUMENT_BYTES))
    if version != {"imageLayoutVersion": "1.0.0"}:
        raise InvalidInputError(f"the layout's version is {version}")
    index = msgspec.json.decode(_open(archive, "index.json").read(MAX_DOCUMENT_BYTES), type=Index)
    if len(index.manifests) != 1:
        raise InvalidInputError(f"the archive holds {len(index.manifests)} images, not one")
    pointer = index.manifests[0]
    return msgspec.json.decode(_read(archive, pointer), type=Manifest), pointer


def _check_layer(archive: tarfile.TarFile, descriptor: Descriptor, diff_id: str, title: str) -> Layer:
    if descriptor.media_type != LAYER_TYPE:
        raise InvalidInputError(f"a layer is of type {descriptor.media_type}, not {LAYER_TYPE}")
    name = _blob(descriptor.digest)
    _compare(descriptor, *_digest(_open(archive, name)))
    with gzip.GzipFile(fileobj=_open(archive, name)) as plain:
        found, unpacked_bytes = _digest(plain)
    if found != diff_id:
        raise InvalidInputError(f"the layer {descriptor.digest} unpacks to {found}, not to {diff_id}")
    return Layer(
        digest=descriptor.digest,
        size_bytes=descriptor.size,
        diff_id=diff_id,
        unpacked_bytes=unpacked_bytes,
        title=title,
    )


def _read(archive: tarfile.TarFile, descriptor: Descriptor) -> bytes:
    data = _open(archive, _blob(descriptor.digest)).read(MAX_DOCUMENT_BYTES)
    _compare(descriptor, *_digest(io.BytesIO(data)))
    return data


def _compare(descriptor: Descriptor, digest: str, size_bytes: int) -> None:
    if (digest, size_bytes) != (descriptor.digest, descriptor.size):
        raise InvalidInputError(
            f"the blob {descriptor.digest} of {descriptor.size} bytes has {size_bytes} bytes and is {digest}"
        )


def _digest(content: Any) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    if content is None:
        raise InvalidInputError(f"{name} in the archive is no file")
    return content


def _describe(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(
        media_type=media_type, digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data)
    )


def _blob(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    return f"blobs/{algorithm}/{value}"


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_info(name, len(data)), io.BytesIO(data))


def _info(name: str, size_bytes: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size_bytes, MTIME_S, 0o644
    return info
