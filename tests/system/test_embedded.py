"""The embedded continuum as its user sees it: up, status, down, and what happens when something is wrong."""

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from embedding import Embedded, wait_until

pytestmark = pytest.mark.system

PROCESSES = ["nats", "store.edge", "store.cloud", "hub"]
PROCESSES += ["gateway.edge", "gateway.cloud", "agent.edge", "agent.cloud"]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Embedded]:
    """A home of the test's own; whatever runs there in the end is stopped."""
    continuum = Embedded(tmp_path / "home")
    try:
        yield continuum
    finally:
        continuum.continuum("down", status=None)
    assert not left_running(continuum), "processes were left running"


def left_running(continuum: Embedded) -> list[str]:
    """Return the command lines of processes that belong to a home (named in their arguments)."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid", "status"]):
        words = process.info["cmdline"] or []
        if any(str(continuum.path) in word for word in words) and process.info["status"] != "zombie":
            found.append(" ".join(words))
    return found


# ---- a running continuum ----


def test_an_object_put_at_one_site_is_read_at_the_other(embedded: Embedded) -> None:
    embedded.boto3_client("edge").create_bucket(Bucket="both-sites")
    embedded.boto3_client("edge").put_object(Bucket="both-sites", Key="a", Body=b"bytes")
    got = embedded.boto3_client("cloud").get_object(Bucket="both-sites", Key="a")
    assert got["Body"].read() == b"bytes"


def test_status_shows_every_process_and_where_to_find_it(embedded: Embedded) -> None:
    embedded.wait_until_ready()
    status = embedded.status()
    assert status["state"] == "up"
    assert sorted(process["name"] for process in status["processes"]) == sorted(PROCESSES)
    assert all(process["state"] == "ready" for process in status["processes"])
    assert all(psutil.pid_exists(process["pid"]) for process in status["processes"])
    assert status["gateways"] == embedded.gateways
    assert "ready" in embedded.continuum("status").stdout


def test_up_again_says_that_it_is_up(embedded: Embedded) -> None:
    done = embedded.continuum("up")
    assert "already up" in done.stderr


def test_sites_are_listed_and_shown(embedded: Embedded) -> None:
    embedded.wait_until_ready()
    wait_until(lambda: len(list_sites(embedded)) == 2, 10.0, "the agents have not announced their sites")
    assert {site["report"]["name"] for site in list_sites(embedded)} == {"edge", "cloud"}
    assert all(site["is_reachable"] for site in list_sites(embedded))
    shown = json.loads(embedded.continuum("site", "show", "edge", "--json").stdout)
    assert shown["site"]["report"]["capacity"]["computing_units"] >= 1
    assert {link["bandwidth_bytes_per_s"] for link in shown["links"]} == {1e9}
    missing = embedded.continuum("site", "show", "moon", status=1)
    assert "there is no site moon" in missing.stderr
    assert "cloud, edge" in missing.stderr


def list_sites(embedded: Embedded) -> list[dict]:
    """Return what `continuum site list` knows."""
    return json.loads(embedded.continuum("site", "list", "--json").stdout)


def test_a_user_gets_keys_once_and_is_shut_out_when_removed(embedded: Embedded) -> None:
    made = json.loads(embedded.continuum("user", "add", "alice", "--json").stdout)
    keys = (made["access_key"], made["secret_key"])
    embedded.boto3_client("edge", keys).create_bucket(Bucket="of-alice")
    assert made["secret_key"] not in embedded.continuum("user", "list", "--json").stdout
    assert made["access_key"] in embedded.continuum("user", "list").stdout
    taken = embedded.continuum("user", "add", "alice", status=1)
    assert "alice" in taken.stderr
    embedded.continuum("user", "remove", "alice")
    with pytest.raises(Exception, match="InvalidAccessKeyId"):
        embedded.boto3_client("edge", keys).list_buckets()
    embedded.boto3_client("edge").delete_bucket(Bucket="of-alice")


def test_env_points_a_client_at_the_gateway_of_a_site(embedded: Embedded) -> None:
    lines = embedded.continuum("env", "cloud").stdout.splitlines()
    assert f"export AWS_ENDPOINT_URL={embedded.gateways['cloud']}" in lines
    script = f"{os.linesep.join(lines)}\n{embedded.program('aws')} s3api list-buckets"
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Buckets" in json.loads(done.stdout)
    assert "there are: edge, cloud" in embedded.continuum("env", "moon", status=1).stderr


def test_every_process_that_is_killed_comes_back_and_status_counts_it(embedded: Embedded) -> None:
    embedded.wait_until_ready()
    before = {process["name"]: process for process in embedded.status()["processes"]}
    for name in PROCESSES:
        embedded.kill(name)
    embedded.wait_until_ready()
    for process in embedded.status()["processes"]:
        earlier = before[process["name"]]
        assert process["restarts"] > earlier["restarts"], process
        assert process["last_failure"], process
    embedded.boto3_client("edge", attempts=10).list_buckets()


def test_logs_are_private_to_the_owner_of_the_home(embedded: Embedded) -> None:
    assert (embedded.path / "logs" / "hub.log").exists()
    assert embedded.path.stat().st_mode & 0o077 == 0
    secrets = [embedded.home.credentials_file, *embedded.path.glob("identities/*/*key.pem")]
    secrets += embedded.path.glob("sites/*/store-secrets.json")
    assert len(secrets) > 10
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in secrets)


# ---- its life ----


def test_data_and_ports_survive_down_and_up(fresh: Embedded) -> None:
    fresh.up()
    gateways = fresh.gateways
    fresh.boto3_client("edge").create_bucket(Bucket="kept")
    fresh.boto3_client("edge").put_object(Bucket="kept", Key="a", Body=b"bytes")
    fresh.down()
    assert not left_running(fresh)
    assert fresh.continuum("status", status=4).stdout.strip().endswith("down")
    fresh.up()
    assert fresh.gateways == gateways
    got = fresh.boto3_client("cloud").get_object(Bucket="kept", Key="a")
    assert got["Body"].read() == b"bytes"


def test_nothing_is_left_when_the_supervisor_is_killed_and_up_brings_all_back(fresh: Embedded) -> None:
    fresh.up()
    fresh.kill("supervisor")
    wait_until(lambda: not left_running(fresh), 5.0, f"still running: {left_running(fresh)}")
    assert "was killed" in fresh.continuum("status", status=4).stdout
    fresh.up()
    fresh.boto3_client("cloud").list_buckets()


def test_of_two_ups_at_the_same_time_one_starts_and_the_other_says_so(fresh: Embedded) -> None:
    command = [fresh.program("continuum"), "up", "--hub-port", "0", "--gateway-ports", "0,0"]
    both = [
        subprocess.Popen(
            command, env=fresh.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in both]
    assert sorted(status for _, status in ends) == [0, 1], ends
    refused = next(text for text, status in ends if status == 1)
    assert "another supervisor" in refused
    assert "continuum status" in refused
    fresh.wait_until_ready()


def test_a_continuum_in_the_foreground_stops_on_ctrl_c(fresh: Embedded) -> None:
    command = [fresh.program("continuum"), "up", "--foreground", "--sites", "one", "--hub-port", "0"]
    process = subprocess.Popen(
        [*command, "--gateway-ports", "0"], env=fresh.environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: fresh.state == "up", 40.0, "not up")
        process.send_signal(2)
        assert process.wait(timeout=30) == 0, process.stderr.read() if process.stderr else ""
    finally:
        process.kill()
        process.communicate()
    assert not left_running(fresh)


# ---- what can be wrong ----


def test_a_port_in_use_is_named_with_its_holder_and_the_option(fresh: Embedded) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = fresh.up("--hub-port", str(port), "--gateway-ports", "0,0", status=1)
        assert f"port {port}, which hub needs, is in use by" in done.stderr
        assert f"(pid {os.getpid()})" in done.stderr
        assert "--hub-port" in done.stderr
        done = fresh.up("--hub-port", "0", "--gateway-ports", f"0,{port}", status=1)
        assert f"port {port}, which gateway.cloud needs, is in use" in done.stderr
        assert "--gateway-ports" in done.stderr
    assert not left_running(fresh)


def test_an_internal_port_that_was_taken_meanwhile_is_chosen_anew(fresh: Embedded) -> None:
    fresh.up("--sites", "one", "--hub-port", "0", "--gateway-ports", "0")
    fresh.down()
    port = fresh.home.continuum().ports["backbone"]
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        done = fresh.up()
        assert f"port {port} of backbone is taken" in done.stderr
        assert fresh.home.continuum().ports["backbone"] != port


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own on `folder`. Fails, never skips, where it cannot be made."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED, mounting needs root: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_and_nothing_is_left_running(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=16m") as disk:
        continuum = Embedded(disk / "home")
        done = continuum.up(status=1)
        assert "is full" in done.stderr
        assert "512 MiB are needed" in done.stderr
        assert not left_running(continuum)


def test_a_read_only_folder_is_said_and_nothing_is_left_running(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "ro,size=16m") as disk:
        continuum = Embedded(disk / "home")
        done = continuum.up(status=1)
        assert "is read-only" in done.stderr
        assert "--home" in done.stderr
        assert not left_running(continuum)


def test_a_process_that_cannot_start_is_named_with_its_last_words(fresh: Embedded) -> None:
    (fresh.path / "hub").mkdir(parents=True)
    (fresh.path / "hub" / "continuum.sqlite").write_bytes(b"this is no database " * 1000)
    done = fresh.up("--sites", "one", "--hub-port", "0", "--gateway-ports", "0", status=1)
    assert "hub ended with exit status 1" in done.stderr
    assert " | " in done.stderr, "the last lines of the log are shown"
    assert "hub.log" in done.stderr
    assert not left_running(fresh)
    assert fresh.status()["state"] == "down"


def test_a_home_with_a_long_path_works_all_the_same(tmp_path: Path) -> None:
    continuum = Embedded(tmp_path / ("a-long-name-" * 8) / "home")
    try:
        continuum.up("--sites", "one", "--hub-port", "0", "--gateway-ports", "0")
        continuum.boto3_client("one").list_buckets()
    finally:
        continuum.continuum("down", status=None)


def test_commands_on_a_home_that_was_never_up_say_what_to_do(fresh: Embedded) -> None:
    for words in (["site", "list"], ["env"], ["user", "list"]):
        assert "continuum up" in fresh.continuum(*words, status=1).stderr
    assert "was not up" in fresh.continuum("down").stderr
