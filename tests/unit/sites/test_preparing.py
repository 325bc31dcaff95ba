"""What is chosen for a start: sites, ports, folders; and what is refused."""

import os
import socket
from pathlib import Path

import msgspec
import pytest

from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from continuum.sites import Home
from continuum.sites.embedded.plans import plan
from continuum.sites.embedded.preparing import UpOptions, inherit_environment, prepare
from continuum.sites.ports import choose_free_ports, find_port_holder, is_port_free
from continuum.sites.supervision.folders import (
    MAX_SOCKET_PATH_BYTES,
    carry_out,
    choose_run_folder,
    ensure_home,
    ensure_private,
)

FREE = UpOptions(hub_port=0, gateway_ports=(0, 0))


def tell_nothing(_: str) -> None:
    """Hear what a person should know."""


def test_the_first_start_chooses_edge_and_cloud_and_the_next_ones_keep_all(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = prepare(home, FREE, tell_nothing)
    assert [site.name for site in first.sites] == ["edge", "cloud"]
    carry_out(plan(first))
    again = prepare(home, UpOptions(), tell_nothing)
    assert again == first


def test_what_is_asked_for_counts_before_what_was(tmp_path: Path) -> None:
    home = Home(tmp_path)
    carry_out(plan(prepare(home, FREE, tell_nothing)))
    options = UpOptions(
        sites=("lab", "edge", "cloud"),
        hub_port=0,
        gateway_ports=(0, 0, 0),
        policy="copy_on_read",
        profile="release",
    )
    changed = prepare(home, options, tell_nothing)
    assert [site.name for site in changed.sites] == ["lab", "edge", "cloud"]
    assert (changed.policy.value, changed.profile) == ("copy_on_read", "release")
    carry_out(plan(changed))
    kept = prepare(home, UpOptions(), tell_nothing)
    assert (kept.policy.value, kept.profile) == ("copy_on_read", "release")


def test_several_hubs_over_one_database_are_kept_and_its_url_is_in_no_file(tmp_path: Path) -> None:
    reference = tmp_path / "database.url"
    reference.write_text("postgresql://continuum:secret@db.example.org/continuum\n")
    home = Home(tmp_path / "home")
    options = msgspec.structs.replace(FREE, database=f"file:{reference}", hubs=3)
    with pytest.raises(InvalidInputError, match="others may read"):
        prepare(home, options, tell_nothing)
    reference.chmod(0o600)
    planned = plan(prepare(home, options, tell_nothing))
    assert [process.name for process in planned.processes if process.name.startswith("hub")] == [
        *("hub", "hub.2", "hub.3"),
    ]
    assert not any(b"db.example.org" in file.data for file in planned.files)
    carry_out(planned)
    kept = prepare(home, UpOptions(), tell_nothing)
    assert (kept.database, kept.hubs) == (options.database, 3)
    with pytest.raises(InvalidInputError, match="has its index in"):
        prepare(home, UpOptions(database="env:OTHER"), tell_nothing)


def test_a_site_is_not_dropped_with_what_lies_there(tmp_path: Path) -> None:
    home = Home(tmp_path)
    carry_out(plan(prepare(home, FREE, tell_nothing)))
    with pytest.raises(InvalidInputError, match="without cloud the objects"):
        prepare(home, UpOptions(sites=("edge",)), tell_nothing)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (UpOptions(sites=("a", "a")), "named twice"),
        (UpOptions(sites=("Upper",)), "cannot name a site"),
        (UpOptions(sites=tuple(f"s{i}" for i in range(17))), "too many"),
        (UpOptions(gateway_ports=(1,)), "2 sites need 2 gateway ports"),
        (UpOptions(hub_port=7, gateway_ports=(7, 8)), "cannot both listen on port 7"),
        (UpOptions(hub_port=70_000), "70000 is not a port"),
        (UpOptions(hub_port=0, gateway_ports=(0, 0), policy="magic"), "no policy 'magic'"),
        (UpOptions(hub_port=0, gateway_ports=(0, 0), profile="magic"), "no profile 'magic'"),
        (UpOptions(hub_port=0, gateway_ports=(0, 0), hubs=2), "need a database that they can share"),
        (UpOptions(hub_port=0, gateway_ports=(0, 0), database="postgresql://u:p@h/d"), "by reference"),
        (UpOptions(hub_port=0, gateway_ports=(0, 0), database="env:NOT_SET"), "no URL of a PostgreSQL"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: UpOptions, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        prepare(Home(tmp_path), options, tell_nothing)


def test_a_port_that_is_taken_is_refused_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert not is_port_free(port)
        assert f"(pid {os.getpid()})" in find_port_holder(port)
        with pytest.raises(UnavailableError) as caught:
            prepare(Home(tmp_path), UpOptions(hub_port=port, gateway_ports=(0, 0)), tell_nothing)
    assert str(port) in caught.value.message
    assert "--hub-port" in caught.value.hint
    assert is_port_free(port)
    assert find_port_holder(port) == ""


def test_free_ports_differ_and_lie_below_those_of_outgoing_connections() -> None:
    avoided = choose_free_ports(5)
    chosen = choose_free_ports(50, avoided)
    assert len(set(chosen) | set(avoided)) == 55
    assert all(20_000 <= port < 32_000 for port in chosen)


def test_a_missing_server_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(NotFoundError) as caught:
        prepare(Home(tmp_path), FREE, tell_nothing)
    assert "nats-server is not installed" in caught.value.message
    assert "extract-continuum[embedded]" in caught.value.hint


def test_credentials_of_other_services_are_not_inherited(tmp_path: Path) -> None:
    inherited = {"AWS_SECRET_ACCESS_KEY": "x", "SKY_ACCESS_KEY_ID": "x", "WEED_X": "x", "PATH": "/bin"}
    environment = inherit_environment(inherited, Home(tmp_path))
    assert environment["PATH"] == "/bin"
    assert not {"AWS_SECRET_ACCESS_KEY", "SKY_ACCESS_KEY_ID", "WEED_X"} & environment.keys()


# ---- folders ----


def test_sockets_move_to_a_short_folder_when_the_path_of_the_home_is_long() -> None:
    assert choose_run_folder(Path("/short")) == Path("/short/run")
    long = Path("/" + "long/" * 30)
    folder = choose_run_folder(long)
    assert len(bytes(folder)) + 41 <= MAX_SOCKET_PATH_BYTES
    assert choose_run_folder(long) == folder
    assert choose_run_folder(long / "other") != folder


def test_a_folder_that_somebody_else_prepared_is_not_used(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    for folder in (open_to_all, link):
        with pytest.raises(ConflictError, match="not a folder of yours alone"):
            ensure_private(folder)
    ensure_private(tmp_path / "mine")
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700


def test_a_home_below_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot be used"):
        ensure_home(Home(tmp_path / "file" / "home"), min_free_bytes=0)


def test_a_disk_with_too_little_room_is_said_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="is full") as caught:
        ensure_home(Home(tmp_path), min_free_bytes=2**62)
    assert "--home" in caught.value.hint


def test_a_damaged_description_names_file_and_field(tmp_path: Path) -> None:
    (tmp_path / "continuum.json").write_text('{"name": 5}')
    with pytest.raises(InvalidInputError, match=r"continuum\.json is wrong.*name"):
        prepare(Home(tmp_path), FREE, tell_nothing)
