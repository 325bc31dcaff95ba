"""The hub stands still while clients write to a bucket that allows it, as a user sees it."""

import json
import os
import secrets
import signal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from embedding import Embedded, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def test_writes_go_on_while_the_hub_stands_still_and_are_told_and_replayed(
    embedded: Embedded, tmp_path: Path
) -> None:
    edge, cloud = embedded.boto3_client("edge"), embedded.boto3_client("cloud")
    bucket, strong = f"b-{secrets.token_hex(6)}", f"b-{secrets.token_hex(6)}"
    edge.create_bucket(Bucket=bucket)
    edge.create_bucket(Bucket=strong)
    policy = tmp_path / "policy.toml"
    policy.write_text('disconnected = "accept"\n')
    embedded.continuum("bucket", "policy", bucket, "set", str(policy))
    edge.put_object(Bucket=bucket, Key="before", Body=b"before")
    cloud.put_object(Bucket=bucket, Key="theirs", Body=b"theirs")
    hub = int(embedded.process("hub")["pid"])

    def is_served_apart() -> bool:
        reply = edge.head_object(Bucket=bucket, Key="theirs")
        return "x-continuum-disconnected" in reply["ResponseMetadata"]["HTTPHeaders"]

    def is_known() -> bool:
        database = embedded.path / "sites" / "edge" / "gateway" / "known.sqlite"
        return database.exists() and b"theirs" in database.read_bytes() + _read(f"{database}-wal")

    wait_until(is_known, 60, "the gateway does not learn what is in the bucket")
    os.kill(hub, signal.SIGSTOP)
    try:
        wait_until(is_served_apart, 60, "the gateway does not notice that the hub stands still")
        edge.put_object(Bucket=bucket, Key="apart", Body=b"apart")
        edge.delete_object(Bucket=bucket, Key="before")
        listed = edge.list_objects_v2(Bucket=bucket)["Contents"]
        assert [line["Key"] for line in listed] == ["apart", "theirs"]
        assert edge.get_object(Bucket=bucket, Key="apart")["Body"].read() == b"apart"
        with pytest.raises(ClientError, match="503"):
            embedded.boto3_client("edge", attempts=1).head_bucket(Bucket=strong)
        journal = embedded.status()["journals"]["edge"]
        assert (journal["buckets"], journal["waiting"]) == (1, 2)
    finally:
        os.kill(hub, signal.SIGCONT)

    def is_replayed() -> bool:
        found = cloud.list_objects_v2(Bucket=bucket)["Contents"]
        return [line["Key"] for line in found] == ["apart", "theirs"]

    wait_until(is_replayed, 60, "what was written is not replayed")
    assert cloud.get_object(Bucket=bucket, Key="apart")["Body"].read() == b"apart"
    told = json.loads(embedded.continuum("bucket", "status", bucket, "--json").stdout)
    assert told["conflicts"] == []
    assert [each["waiting"] for each in told["journals"] if each["gateway"] == "gateway.edge"] == [0]
    wait_until(lambda: not embedded.status()["journals"]["edge"]["waiting"], 60, "the journal is not empty")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""
