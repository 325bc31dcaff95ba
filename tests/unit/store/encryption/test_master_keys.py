"""Rings of master keys: read, replaced, rotated; and keys of customers."""

import os
from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError
from continuum.store.encryption.masterkeys import (
    ENVIRONMENT_VARIABLE,
    MasterKeys,
    MissingMasterKeyError,
    derive_customer_keys,
    ensure_master_keys,
    format_keys,
    identify,
    make_master_key,
    open_customer_key,
    open_master_keys,
    parse_keys,
    read_master_keys,
    write_master_keys,
)
from continuum.store.encryption.segments import CorruptError

DATA_KEY = bytes(range(32))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_ring_is_written_for_its_owner_only_and_kept(tmp_path: Path):
    path = tmp_path / "secrets" / "master.keys"
    ensure_master_keys(path)
    keys = read_master_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    ensure_master_keys(path)
    assert read_master_keys(path) == keys
    assert [found.name for found in path.parent.iterdir()] == ["master.keys"]


def test_a_wrapped_key_opens_with_the_ring_that_wrapped_it(tmp_path: Path):
    ring = MasterKeys([make_master_key(), make_master_key()])
    key_id, wrapped = ring.wrap(DATA_KEY)
    assert key_id == ring.current_id == ring.ids[0]
    assert ring.unwrap(key_id, wrapped) == DATA_KEY
    assert DATA_KEY not in wrapped
    assert ring.wrap(DATA_KEY)[1] != wrapped


def test_what_was_changed_or_is_under_another_key_does_not_unwrap():
    ring = MasterKeys([make_master_key(), make_master_key()])
    key_id, wrapped = ring.wrap(DATA_KEY)
    for damaged in (b"", wrapped[:-1], wrapped[:5] + b"x" + wrapped[6:]):
        with pytest.raises(CorruptError):
            ring.unwrap(key_id, damaged)
    with pytest.raises(CorruptError):
        ring.unwrap(ring.ids[1], wrapped)


def test_a_key_that_is_not_there_is_named():
    key_id, wrapped = MasterKeys([make_master_key()]).wrap(DATA_KEY)
    with pytest.raises(MissingMasterKeyError, match=key_id):
        MasterKeys([make_master_key()]).unwrap(key_id, wrapped)
    with pytest.raises(MissingMasterKeyError, match="no master key"):
        MasterKeys().wrap(DATA_KEY)


def test_rotation_needs_no_restart(tmp_path: Path):
    path, clock = tmp_path / "keys", Clock()
    old, new = make_master_key(), make_master_key()
    write_master_keys(path, [old])
    writer, reader = MasterKeys(path=path, clock=clock), MasterKeys(path=path, clock=clock)
    before = writer.wrap(DATA_KEY)
    write_master_keys(path, [new, old])
    assert writer.wrap(DATA_KEY)[0] == identify(old)  # not looked at again within a second
    clock.now += 2
    after = writer.wrap(DATA_KEY)
    assert after[0] == identify(new)
    assert reader.unwrap(*after) == DATA_KEY  # a key that is not known is looked for at once
    assert reader.unwrap(*before) == DATA_KEY


def test_a_file_that_becomes_unreadable_changes_nothing(tmp_path: Path):
    path, clock = tmp_path / "keys", Clock()
    write_master_keys(path, [make_master_key()])
    ring = MasterKeys(path=path, clock=clock)
    path.write_text("damaged")
    clock.now += 2
    assert ring.unwrap(*ring.wrap(DATA_KEY)) == DATA_KEY
    path.unlink()
    clock.now += 2
    assert ring.unwrap(*ring.wrap(DATA_KEY)) == DATA_KEY


def test_wrong_files_are_refused_and_not_shown(tmp_path: Path):
    path = tmp_path / "keys"
    with pytest.raises(InvalidInputError, match="cannot read the master keys"):
        MasterKeys(path=path)
    write_master_keys(path, [make_master_key()])
    path.chmod(0o640)
    with pytest.raises(InvalidInputError, match="others than its owner"):
        MasterKeys(path=path)
    for text in ("", "# nothing", "c2VjcmV0LWJ1dC1zaG9ydA==", "not base64 at all", "\xff"):
        with pytest.raises(InvalidInputError) as caught:
            parse_keys(text, "the ring")
        assert "c2VjcmV0" not in str(caught.value)


def test_keys_come_from_the_environment_too():
    keys = [make_master_key(), make_master_key()]
    lines = [line.partition("#")[0].strip() for line in format_keys(keys).splitlines()[1:]]
    ring = open_master_keys(None, {ENVIRONMENT_VARIABLE: ",".join(lines)})
    assert ring.ids == tuple(map(identify, keys))
    assert open_master_keys(None, {}).ids == ()


def test_nothing_shows_a_key():
    key = make_master_key()
    shown = repr(MasterKeys([key]))
    assert identify(key) in shown
    assert key.hex() not in shown
    assert repr(key) not in shown


def test_only_the_right_customer_key_opens():
    customer, salt = os.urandom(32), os.urandom(32)
    data_key, check = derive_customer_keys(customer, salt)
    assert open_customer_key(customer, salt, check) == data_key
    assert open_customer_key(os.urandom(32), salt, check) is None
    assert open_customer_key(customer, os.urandom(32), check) is None
    assert len({customer, data_key, check}) == 3
