"""Sky Store's own commands: the demonstration of the source (D4.2, section 6.2.2) over two regions' stores.

Two real stores stand for two regions of AWS. The source's step 6 names one bucket in its text and another in
its command; here the object is put into `eu-west-1-bucket-1` through the gateway of eu-central-1, as the text
and the following steps say. With `write_local` its bytes lie where it was put: in the store of eu-central-1.
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from embedding import wait_until
from plain_store import PlainStore

from continuum.sites import choose_free_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

CENTRAL, WEST = "aws:eu-central-1", "aws:eu-west-1"
PREFIX = "skystore-test"


class World:
    """Two stores, a server, a gateway each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "skystore"
        self.stores = {region: PlainStore(folder / region.replace(":", "-")) for region in (CENTRAL, WEST)}
        self.server_port, self.api_port, *gateway_ports = choose_free_ports(4)
        self.ports = dict(zip((CENTRAL, WEST), gateway_ports, strict=True))

    def start_stores(self) -> None:
        """Start the stores of both regions."""
        for store in self.stores.values():
            (self.folder / store._folder.name).mkdir(exist_ok=True)
            store.start()

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of the commands: the keys, and which endpoint stands for which region."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SKY"))}
        endpoints = ",".join(f"{region}={store.endpoint}" for region, store in self.stores.items())
        return kept | {
            "SKYSTORE_HOME": str(self.home),
            "SKYSTORE_ENDPOINTS": endpoints,
            "INIT_REGIONS": f"{CENTRAL},{WEST}",
            "AWS_ACCESS_KEY_ID": PlainStore.access_key,
            "AWS_SECRET_ACCESS_KEY": PlainStore.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            **more,
        }

    def run(self, program: str, *words: str, status: int = 0, **environment: str) -> str:
        """Run a command to its end and return all that it printed."""
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *words],
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == status, f"{program} {words}: {done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start_server(self) -> str:
        """Start the server in the background."""
        ports = ("--port", str(self.server_port), "--api-port", str(self.api_port))
        return self.run("skystore-server", *ports, "--detach")

    def configuration(self, region: str, **more: Any) -> Path:
        """Write the source's configuration file for a region."""
        path = self.folder / f"{region.partition(':')[2]}.json"
        values = {
            "init_regions": [CENTRAL, WEST],
            "client_from_region": region,
            "skystore_bucket_prefix": PREFIX,
            "policy": "write_local",
            "server_addr": f"127.0.0.1:{self.server_port}",
        }
        path.write_text(json.dumps(values | more))
        return path

    def start_gateway(self, region: str) -> str:
        """Start a region's gateway in the background, spelled as the source prints it."""
        config = f"-config={self.configuration(region)}"
        return self.run("skystore", "init", config, "--port", str(self.ports[region]), "--detach")

    def s3api(self, region: str, *words: str) -> Any:
        """Run `aws s3api` through the gateway of `region`; return the parsed reply."""
        endpoint = ("--endpoint-url", f"http://127.0.0.1:{self.ports[region]}", "--no-verify-ssl")
        printed = self.run("aws", "s3api", *endpoint, *words, "--output", "json")
        return json.loads(printed) if printed.strip() else {}

    def physical(self, region: str) -> list[dict[str, Any]]:
        """Return the objects in the physical bucket of a region, asked of its store itself."""
        client = boto3.client(
            "s3",
            endpoint_url=self.stores[region].endpoint,
            aws_access_key_id=PlainStore.access_key,
            aws_secret_access_key=PlainStore.secret_key,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}),
        )
        bucket = f"{PREFIX}-{region.partition(':')[2]}"
        return client.list_objects_v2(Bucket=bucket).get("Contents", [])

    def stop(self) -> None:
        """Stop everything."""
        self.run("skystore", "exit")
        for store in self.stores.values():
            store.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("sky"))
    try:
        made.start_stores()
        printed = made.start_server()
        assert f"ready tls://127.0.0.1:{made.server_port}" in printed
        for region in (CENTRAL, WEST):
            printed = made.start_gateway(region)
            assert f"ready http://127.0.0.1:{made.ports[region]} for {region}" in printed
        yield made
    finally:
        made.stop()


def names(reply: dict[str, Any]) -> list[str]:
    """Return the names of the buckets in a reply."""
    return sorted(bucket["Name"] for bucket in reply.get("Buckets", []))


def test_the_demonstration_of_the_source_gives_every_reply_that_it_expects(world: World) -> None:
    both = (CENTRAL, WEST)
    assert [names(world.s3api(region, "list-buckets")) for region in both] == [[], []]
    world.s3api(CENTRAL, "create-bucket", "--bucket", "eu-central-1-bucket-1")
    expected = ["eu-central-1-bucket-1"]
    assert [names(world.s3api(region, "list-buckets")) for region in both] == [expected, expected]
    world.s3api(WEST, "create-bucket", "--bucket", "eu-west-1-bucket-1")
    expected = ["eu-central-1-bucket-1", "eu-west-1-bucket-1"]
    assert [names(world.s3api(region, "list-buckets")) for region in both] == [expected, expected]

    payload = world.folder / "payload.data"
    with payload.open("wb") as file:
        file.truncate(5 * 1024 * 1024)
    into = ("--bucket", "eu-west-1-bucket-1", "--key", "payload")
    world.s3api(CENTRAL, "put-object", *into, "--body", str(payload))
    for region in both:
        listed = world.s3api(region, "list-objects", "--bucket", "eu-west-1-bucket-1")["Contents"]
        assert [(entry["Key"], entry["Size"]) for entry in listed] == [("payload", 5 * 1024 * 1024)]
    got = world.folder / "got.data"
    world.s3api(WEST, "get-object", *into, str(got))
    assert hashlib.sha256(got.read_bytes()).digest() == hashlib.sha256(payload.read_bytes()).digest()

    assert [entry["Size"] for entry in world.physical(CENTRAL)] == [5 * 1024 * 1024]
    assert world.physical(WEST) == []


def test_the_name_space_survives_a_restart_of_all(world: World) -> None:
    world.s3api(WEST, "create-bucket", "--bucket", "kept-over-restarts")
    assert "stopped" in world.run("skystore", "exit")
    assert "nothing was running" in world.run("skystore", "exit")
    world.start_server()
    for region in (CENTRAL, WEST):
        world.start_gateway(region)
    assert "kept-over-restarts" in names(world.s3api(CENTRAL, "list-buckets"))


def test_status_shows_the_server_and_both_gateways(world: World) -> None:
    printed = world.run("skystore", "status")
    assert printed.count(" up ") == 3, printed
    assert f"http://127.0.0.1:{world.ports[WEST]}" in printed
    printed = world.run("skystore", "status", SKYSTORE_HOME=str(world.folder / "never-used"))
    assert "nothing was started from" in printed


def test_keys_of_clients_may_differ_from_those_of_the_stores(world: World) -> None:
    (port,) = choose_free_ports(1)
    home = world.folder / "another-home"
    join = world.folder / "west.join"
    world.run("skystore-server", "--join-file", str(join), "--region", WEST)
    assert join.stat().st_mode & 0o777 == 0o600
    keys = {"SKY_ACCESS_KEY_ID": "client", "SKY_SECRET_ACCESS_KEY": "client-secret"}
    config = world.configuration(WEST)
    words = ("--config", str(config), "--port", str(port), "--join", str(join), "--detach")
    world.run("skystore", "init", *words, SKYSTORE_HOME=str(home), **keys)
    try:
        endpoint = ("--endpoint-url", f"http://127.0.0.1:{port}")
        mine = {"AWS_ACCESS_KEY_ID": "client", "AWS_SECRET_ACCESS_KEY": "client-secret"}
        assert "Buckets" in json.loads(world.run("aws", "s3api", *endpoint, "list-buckets", **mine))
        assert "InvalidAccessKeyId" in world.run("aws", "s3api", *endpoint, "list-buckets", status=255)
        sealed = ("--bucket", "sealed", "--key", "config")
        world.run("aws", "s3api", *endpoint, "create-bucket", "--bucket", "sealed", **mine)
        put = ("put-object", *sealed, "--body", str(config), "--server-side-encryption", "AES256")
        world.run("aws", "s3api", *endpoint, *put, **mine)
        opened = world.folder / "opened.json"
        world.s3api(CENTRAL, "get-object", *sealed, str(opened))  # with the same master key
        assert opened.read_bytes() == config.read_bytes()
    finally:
        world.run("skystore", "exit", SKYSTORE_HOME=str(home))


def test_a_policy_of_a_gateway_is_that_of_the_buckets_created_through_it(world: World) -> None:
    (port,) = choose_free_ports(1)
    home = world.folder / "pushing-home"
    join = world.folder / "pushing.join"
    world.run("skystore-server", "--join-file", str(join), "--region", WEST)
    config = world.configuration(WEST, policy="push")
    words = ("--config", str(config), "--port", str(port), "--join", str(join), "--detach")
    world.run("skystore", "init", *words, SKYSTORE_HOME=str(home))
    try:
        endpoint = ("--endpoint-url", f"http://127.0.0.1:{port}")
        world.run("aws", "s3api", *endpoint, "create-bucket", "--bucket", "pushed")
        before = len(world.physical(CENTRAL))
        world.run("aws", "s3", *endpoint, "cp", str(config), "s3://pushed/config")
        wait_until(
            lambda: len(world.physical(CENTRAL)) > before, 30.0, "the object is in its own region only"
        )
    finally:
        world.run("skystore", "exit", SKYSTORE_HOME=str(home))


def test_a_gateway_without_the_authority_is_told_how_to_join(world: World) -> None:
    config = str(world.configuration(WEST))
    printed = world.run(
        "skystore", "init", "--config", config, status=1, SKYSTORE_HOME=str(world.folder / "empty")
    )
    assert "--join" in printed


def test_a_server_that_does_not_answer_is_named(world: World) -> None:
    (port,) = choose_free_ports(1)
    config = str(world.configuration(WEST, server_addr=f"127.0.0.1:{port}"))
    printed = world.run(
        "skystore", "init", "--config", config, "--port", str(choose_free_ports(1)[0]), status=1
    )
    assert f"no skystore-server answers at 127.0.0.1:{port}" in printed


@pytest.mark.parametrize("kind", ["local", "directory"])
def test_a_gateway_in_the_foreground_with_a_store_of_its_own_ends_on_ctrl_c(world: World, kind: str) -> None:
    (port,) = choose_free_ports(1)
    home = world.folder / f"{kind}-home"
    folder = world.folder / f"{kind}-files"
    folder.mkdir()
    store = ["--local"] if kind == "local" else ["--directory", str(folder)]
    server_port, api_port = choose_free_ports(2)
    ports = ("--port", str(server_port), "--api-port", str(api_port))
    world.run("skystore-server", *ports, "--detach", SKYSTORE_HOME=str(home))
    config = world.configuration(CENTRAL, server_addr=f"127.0.0.1:{server_port}")
    program = Path(sys.executable).with_name("skystore")
    process = subprocess.Popen(
        [program, "init", "--config", config, *store, "--port", str(port)],
        env=world.environment(SKYSTORE_HOME=str(home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"ready http://127.0.0.1:{port}"), line + process.stdout.read()
        endpoint = ("--endpoint-url", f"http://127.0.0.1:{port}")
        world.run("aws", "s3api", *endpoint, "create-bucket", "--bucket", "here")
        world.run("aws", "s3", *endpoint, "cp", str(config), "s3://here/config")
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
        assert [path.read_bytes() for path in files] == [config.read_bytes()] * (kind == "directory")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()
        world.run("skystore", "exit", SKYSTORE_HOME=str(home))
    wait_until(lambda: not listens(port), 5.0, "the gateway still listens")


def listens(port: int) -> bool:
    """Tell whether somebody listens on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
