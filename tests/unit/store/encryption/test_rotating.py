"""Rotation against a locator that forgets nothing and asks nobody."""

import os
from pathlib import Path
from typing import Any

import pytest

from continuum.model.encryption import SSE_C, SSE_S3, Encryption, format_encryption, read_encryption
from continuum.model.errors import ConflictError
from continuum.store.encryption.masterkeys import (
    MasterKeys,
    MissingMasterKeyError,
    ensure_master_keys,
    make_master_key,
)
from continuum.store.encryption.rotating import (
    Rewrapped,
    add_master_key,
    list_master_keys,
    retire_master_keys,
    rewrap_data_keys,
)
from continuum.store.locator.messages import (
    EncryptedEntry,
    EncryptedPage,
    ListEncrypted,
    Replaced,
    ReplaceEncryptions,
)

DATA_KEY = os.urandom(32)


class Index:
    """What a locator answers, two entries a page."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}

    def put(self, ring: MasterKeys) -> None:
        key_id, wrapped = ring.wrap(DATA_KEY)
        encryption = Encryption(form=1, mode=SSE_S3, key_id=key_id, wrapped_key=wrapped)
        self.documents[str(len(self.documents) + 1)] = format_encryption(encryption)

    async def ask(self, request: Any) -> Any:
        if isinstance(request, ReplaceEncryptions):
            for item in request.items:
                assert self.documents[item.name] == item.before
                self.documents[item.name] = item.after
            return Replaced(count=len(request.items))
        assert isinstance(request, ListEncrypted)
        names = [] if request.of_uploads else [n for n in self.documents if int(n) > int(request.after or 0)]
        entries = tuple(EncryptedEntry(name, self.documents[name]) for name in names[:2])
        after = names[1] if len(names) > 2 else ""
        return EncryptedPage(entries=entries, looked_at=len(entries), next_after=after)

    def key_ids(self) -> set[str]:
        found = [read_encryption(document) for document in self.documents.values()]
        return {each.key_id for each in found if each is not None and each.mode == SSE_S3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ensure_master_keys(tmp_path / "keys")
    return tmp_path / "keys"


async def test_all_data_keys_come_under_the_new_key_and_the_old_one_goes(path: Path) -> None:
    index, reports = Index(), []
    for _ in range(5):
        index.put(MasterKeys(path=path))
    customers = format_encryption(Encryption(form=1, mode=SSE_C, salt=b"s", check=b"c"))
    index.documents["6"] = customers
    old = list_master_keys(path)
    new = add_master_key(path)
    done = await rewrap_data_keys(index, path, reports.append)  # type: ignore[arg-type]
    assert (done.rewrapped, done.left) == (5, 0)
    assert reports[-1].looked_at == done.looked_at
    assert index.key_ids() == {new}
    assert index.documents["6"] == customers
    retired = await retire_master_keys(index, path, reports.append, settled_s=0)  # type: ignore[arg-type]
    assert retired == old
    ring = MasterKeys(path=path)
    for document in index.documents.values():
        found = read_encryption(document)
        if found is not None and found.mode == SSE_S3:
            assert ring.unwrap(found.key_id, found.wrapped_key) == DATA_KEY


async def test_no_key_goes_that_is_needed_or_may_be(path: Path) -> None:
    index = Index()
    index.put(MasterKeys(path=path))
    add_master_key(path)
    with pytest.raises(ConflictError, match="just now"):
        await retire_master_keys(index, path, _ignore)  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match="under an old key"):
        await retire_master_keys(index, path, _ignore, settled_s=0)  # type: ignore[arg-type]
    assert len(list_master_keys(path)) == 2
    await retire_master_keys(index, path, _ignore, settled_s=0)  # type: ignore[arg-type]
    assert len(list_master_keys(path)) == 1


async def test_a_data_key_under_an_unknown_master_key_stops_it(path: Path) -> None:
    index = Index()
    index.put(MasterKeys([make_master_key()]))
    before = dict(index.documents)
    with pytest.raises(MissingMasterKeyError):
        await rewrap_data_keys(index, path, _ignore)  # type: ignore[arg-type]
    assert index.documents == before


def _ignore(so_far: Rewrapped) -> None:
    del so_far
