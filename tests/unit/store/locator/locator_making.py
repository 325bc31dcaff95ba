"""An index in a temporary database, and requests to it that are right unless a test says otherwise."""

import functools
import itertools
import tempfile
from pathlib import Path
from typing import Any

from continuum.model.objects import Replica, Store, Version
from continuum.store.locator.database import Connection, Database
from continuum.store.locator.index import buckets, objects, sessions
from continuum.store.locator.messages import (
    Commit,
    CreateBucket,
    CreateUpload,
    Delete,
    DeleteItem,
    LookUp,
    Upload,
)
from continuum.store.locator.sealing import KEY_BYTES, Sealer

GRACE_S = 60.0
SEALER = Sealer(b"k" * KEY_BYTES)


@functools.cache
def _empty_database() -> bytes:
    """A database after all migrations, made once: that takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        database = Database(f"sqlite:///{path}")
        database.open()
        database.close()
        return path.read_bytes()


def make_store(name: str = "edge", site: str = "") -> Store:
    return Store(
        name=name,
        site=site or name,
        endpoint="https://127.0.0.1:8333",
        region="eu",
        bucket="physical",
        access_key="A",
        secret_key="secret of the store",
    )


class Index:
    """A database with the sessions `s-edge` and `s-cloud` and the bucket `bucket`; a test moves its clock."""

    def __init__(self, folder: Path, url: str = "") -> None:
        if not url:
            (folder / "index.sqlite").write_bytes(_empty_database())
        self.database = Database(url or f"sqlite:///{folder}/index.sqlite")
        self.database.open()
        self.connection: Connection = self.database.connect()
        self.now = 1_000.0
        self._numbers = itertools.count(1)
        with self.connection.writing():
            for site in ("edge", "cloud"):
                self.open_session(f"s-{site}", site)
            self.create_bucket("bucket")

    def close(self) -> None:
        self.connection.close()
        self.database.close()

    def open_session(self, session_id: str, site: str) -> None:
        sessions.open_session(
            self.connection, SEALER, session_id=session_id, gateway="g", store=make_store(site), now=self.now
        )

    def create_bucket(self, name: str, owner: str = "admin") -> None:
        request = CreateBucket(name=name, owner=owner, home="edge")
        buckets.create_bucket(self.connection, request, now=self.now)

    def make_commit(
        self, key: str = "key", bucket: str = "bucket", site: str = "edge", **changes: Any
    ) -> Commit:
        number = next(self._numbers)
        fields: dict[str, Any] = {
            "bucket": bucket,
            "key": key,
            "version_id": f"v{number}",
            "etag": f"e{number}",
            "size_bytes": number,
            "modified_at": 0.0,
            "headers": {"content-type": "text/plain"},
            "metadata": {"who": "me"},
            "checksums": {"crc32": "AAAA"},
            "checksum_type": "FULL_OBJECT",
            "replicas": (
                Replica(store=site, bucket="physical", key=f"s-{site}/{number}", created_at=self.now),
            ),
        }
        options = {
            name: changes.pop(name) for name in ("if_none_match", "if_match", "upload_id") if name in changes
        }
        return Commit(session_id=f"s-{site}", version=Version(**(fields | changes)), **options)

    def commit(self, request: Commit) -> Version:
        return objects.commit(self.connection, request, now=self.now, grace_s=GRACE_S)

    def put(self, key: str = "key", **changes: Any) -> Version:
        return self.commit(self.make_commit(key, **changes))

    def look_up(self, key: str = "key", version_id: str = "") -> Version:
        return objects.look_up(self.connection, LookUp(bucket="bucket", key=key, version_id=version_id))

    def delete(self, *items: DeleteItem) -> list[str]:
        request = Delete(session_id="s-edge", bucket="bucket", objects=items)
        deleted = objects.delete_objects(self.connection, request, now=self.now, grace_s=GRACE_S)
        return [result.error_code for result in deleted.results]

    def make_upload(self, key: str = "key", upload_id: str = "") -> CreateUpload:
        number = next(self._numbers)
        return CreateUpload(
            session_id="s-edge",
            upload=Upload(
                upload_id=upload_id or f"u{number:04}",
                bucket="bucket",
                key=key,
                initiator="admin",
                created_at=0.0,
                store="edge",
                physical_bucket="physical",
                physical_key=f"s-edge/{number}",
                store_upload_id=f"store-{number}",
                metadata={"who": "me"},
            ),
        )
