"""The index in a file and back, and from SQLite to PostgreSQL with two hubs, as an operator does it."""

import json
import secrets
import threading
from pathlib import Path

import pytest
from embedding import Embedded, wait_until
from postgresql_server import PostgresServer

pytestmark = pytest.mark.system


def counts(embedded: Embedded) -> dict[str, tuple[int, int]]:
    listed = json.loads(embedded.continuum("bucket", "list", "--json").stdout)
    return {each["name"]: (each["objects"], each["object_bytes"]) for each in listed}


def test_a_backup_is_taken_while_objects_are_written(embedded: Embedded, tmp_path: Path) -> None:
    s3 = embedded.boto3_client("edge")
    bucket = f"b-{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="before", Body=b"12345")
    assert counts(embedded)[bucket] == (1, 5)
    stop, written = threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            s3.put_object(Bucket=bucket, Key=f"key-{len(written)}", Body=b"x")
            written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        taken = json.loads(embedded.continuum("store", "backup", str(tmp_path / "b"), "--json").stdout)
    finally:
        stop.set()
        writer.join()
    assert taken["objects"] >= 1
    said = embedded.continuum("store", "restore", str(tmp_path / "b"), "--replace", status=None)
    assert said.returncode != 0
    assert "another hub uses the database" in said.stderr
    assert counts(embedded)[bucket] == (1 + len(written), 5 + len(written))


def test_a_continuum_moves_to_postgresql_and_survives_the_loss_of_a_hub(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    own = Embedded(tmp_path / "home")
    reference = tmp_path / "database.url"
    reference.write_text(postgresql.make_database())
    reference.chmod(0o600)
    own.up()
    try:
        own.boto3_client("edge").create_bucket(Bucket="kept")
        own.boto3_client("edge").put_object(Bucket="kept", Key="key", Body=b"bytes")
        own.down()
        own.continuum("store", "backup", str(tmp_path / "b"))
        own.continuum("store", "restore", str(tmp_path / "b"), "--database", f"file:{reference}")
        own.up("--hubs", "2")
        assert counts(own) == {"kept": (1, 5)}
        for site in ("edge", "cloud"):
            s3 = own.boto3_client(site)
            assert s3.get_object(Bucket="kept", Key="key")["Body"].read() == b"bytes"
            s3.put_object(Bucket="kept", Key=site, Body=site.encode())
        own.kill("hub.2")
        for site in ("edge", "cloud"):
            s3 = own.boto3_client(site, attempts=10)
            s3.put_object(Bucket="kept", Key="key", Body=site.encode())
            for reader in ("edge", "cloud"):
                found = own.boto3_client(reader, attempts=10).get_object(Bucket="kept", Key="key")
                assert found["Body"].read() == site.encode()
        wait_until(lambda: own.state == "up", 40.0, "the hub did not come back")
        files = list((own.path / "hub").glob("*.json"))
        assert files
        assert all("password" not in path.read_text() for path in files)
    finally:
        own.down()
