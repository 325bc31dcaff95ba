"""How a gateway on another machine joins: one file with the authority's certificate and an identity of its
own.

`skystore-server --join-file OUT --region REGION` writes it where the authority is; it is carried over a way
that is trusted (it holds keys), and `skystore init --join FILE` uses it. It makes its holder the gateway of
that region.

It is less than a site's invitation (`continuum.sites`): one identity, no user, no addresses (`init` is
told them); and it was given out before there were any, so it stays a file of its own.
"""

from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.security import IdentityFiles, identity_files, write_private

MASTER_KEYS = "master.keys"  # in the folder of a gateway that joined


class JoinFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a gateway needs to be let in: PEM texts, and the keys that wrap those of encrypted objects. No
    secret is in the repr."""

    name: str
    ca: str
    certificate: str
    key: str
    signing_certificate: str
    signing_key: str
    master_keys: str = ""

    def __repr__(self) -> str:
        return f"JoinFile(name={self.name!r})"


def write_join_file(path: Path, identity: IdentityFiles, master_keys_file: Path) -> None:
    """Write the join file of `identity` to `path`, readable by its owner only."""
    joined = JoinFile(
        name=identity.name,
        ca=identity.ca_file.read_text(),
        certificate=identity.certificate_file.read_text(),
        key=identity.key_file.read_text(),
        signing_certificate=identity.signing_certificate_file.read_text(),
        signing_key=identity.signing_key_file.read_text(),
        master_keys=master_keys_file.read_text(),
    )
    write_private(path, msgspec.json.format(msgspec.json.encode(joined)))


def unpack_join_file(path: Path, home: Path, expected_name: str) -> IdentityFiles:
    """Lay the identity in `path` down below `home` and return where. Raises `InvalidInputError`."""
    try:
        joined = msgspec.json.decode(path.read_bytes(), type=JoinFile)
    except OSError as problem:
        raise InvalidInputError(f"cannot read {path}: {problem.strerror}") from problem
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(f"{path} is no join file: {problem}") from problem
    if joined.name != expected_name:
        raise InvalidInputError(
            f"{path} makes {joined.name}, but this is {expected_name}",
            hint="`skystore-server --join-file OUT --region REGION` writes the file of a region",
        )
    files = identity_files(home, joined.name)
    for target, text in (
        (files.ca_file, joined.ca),
        (files.certificate_file, joined.certificate),
        (files.key_file, joined.key),
        (files.signing_certificate_file, joined.signing_certificate),
        (files.signing_key_file, joined.signing_key),
    ):
        write_private(target, text.encode())
    if joined.master_keys:
        write_private(home / MASTER_KEYS, joined.master_keys.encode())
    return files
