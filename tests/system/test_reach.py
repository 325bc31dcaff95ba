"""A continuum that other machines reach: at which address, who is invited, and who is shut out again."""

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from embedding import Embedded, wait_until
from tls_probe import certificate_of

from continuum.backbone import Backbone, BackboneSettings, BackboneUnavailableError
from continuum.security import identity_files, write_private
from continuum.sites import Invitation, list_joined, read_invitation

pytestmark = pytest.mark.system


def find_address() -> str:
    """Return an address of this machine that is not loopback."""
    addresses = (
        each.address for found in psutil.net_if_addrs().values() for each in found if each.family == 2
    )
    return next(address for address in addresses if not address.startswith("127."))


@pytest.fixture(scope="module")
def open_continuum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A continuum that listens; the store of edge is a folder, that of cloud SeaweedFS."""
    running = Embedded(tmp_path_factory.mktemp("open") / "home")
    ports = ("--hub-port", "0", "--gateway-ports", "0,0")
    running.up(*ports, "--listen", find_address(), "--store", "edge=directory")
    try:
        yield running
    finally:
        running.down()


def unpack(invitation: Invitation, folder: Path) -> BackboneSettings:
    """Return how the agent of an invitation connects, from another folder than the home."""
    files = identity_files(folder, f"agent.{invitation.site}")
    write_private(files.ca_file, invitation.ca.encode())
    write_private(files.certificate_file, invitation.agent.certificate.encode())
    write_private(files.key_file, invitation.agent.key.encode())
    return BackboneSettings(
        url=invitation.backbone_url,
        name=files.name,
        ca_file=files.ca_file,
        certificate_file=files.certificate_file,
        key_file=files.key_file,
    )


def test_servers_listen_for_others_and_gateways_with_plain_http_do_not(open_continuum: Embedded) -> None:
    address = find_address()
    continuum = open_continuum.home.continuum()
    held = {
        (connection.laddr.port, connection.laddr.ip)
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    everywhere = {port for port, ip in held if ip in {"0.0.0.0", "::"}}
    mine = continuum.ports
    open_ports = {mine[name] for name in ("hub", "backbone", "store.edge.s3", "store.cloud.outer")}
    assert open_ports == {port for port in mine.values() if port in everywhere}
    ca_file = open_continuum.home.ca_file
    for name in ("hub", "store.edge.s3", "store.cloud.outer"):
        certificate = certificate_of(mine[name], ca_file)
        assert ("IP Address", address) in certificate["subjectAltName"]
    assert all(url.startswith("http://127.0.0.1:") for url in open_continuum.gateways.values())


def test_stores_are_reached_by_other_gateways_at_the_address(open_continuum: Embedded) -> None:
    data = bytes(range(256)) * 40_000
    edge, cloud = open_continuum.boto3_client("edge"), open_continuum.boto3_client("cloud")
    edge.create_bucket(Bucket="reached")
    for writer, reader in ((edge, cloud), (cloud, edge)):
        writer.put_object(Bucket="reached", Key="x", Body=data)
        assert reader.get_object(Bucket="reached", Key="x")["Body"].read() == data


async def test_who_is_invited_gets_in_at_once_and_who_is_not_any_more_is_cut_off(
    open_continuum: Embedded, tmp_path: Path
) -> None:
    file = tmp_path / "lab.join"
    open_continuum.continuum("site", "invite", "lab", "--out", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    invitation = read_invitation(file)
    assert invitation.backbone_url.startswith(f"tls://{find_address()}:")
    settings = unpack(invitation, tmp_path / "elsewhere")
    agent = await Backbone.connect(settings, wait_s=10)
    try:
        keys = (invitation.access_key, invitation.secret_key)
        open_continuum.boto3_client("edge", keys).list_buckets()
        again = tmp_path / "again.join"
        open_continuum.continuum("site", "invite", "lab", "--out", str(again))
        before, after = read_invitation(file), read_invitation(again)
        assert msgspec.structs.asdict(before) == msgspec.structs.asdict(after)
        assert agent.is_connected
        assert "invited" in open_continuum.continuum("site", "list").stdout
        open_continuum.continuum("site", "uninvite", "lab")
        await asyncio.to_thread(wait_until, lambda: not agent.is_connected, 20, "lab is still connected")
        with pytest.raises(BackboneUnavailableError):
            await Backbone.connect(settings)
    finally:
        await agent.close()
    assert list_joined(open_continuum.home) == ()
    users = json.loads(open_continuum.continuum("user", "list", "--json").stdout)
    assert "agent.lab" not in {user["name"] for user in users}
    open_continuum.wait_until_ready()


async def test_who_was_invited_is_let_in_after_a_restart_and_listening_can_end(
    open_continuum: Embedded, tmp_path: Path
) -> None:
    file = tmp_path / "mill.join"
    open_continuum.continuum("site", "invite", "mill", "--out", str(file), "--without-master-keys")
    assert read_invitation(file).master_keys == ""
    refused = open_continuum.continuum("up", "--listen", "none", status=1)
    assert "continuum down" in refused.stderr
    open_continuum.down()
    open_continuum.up("--listen", "none")
    settings = unpack(read_invitation(file), tmp_path / "elsewhere")
    with pytest.raises(BackboneUnavailableError):
        await Backbone.connect(settings)
    here = msgspec.structs.replace(settings, url=open_continuum.home.continuum().backbone_url)
    await (await Backbone.connect(here, wait_s=10)).close()
    refused = open_continuum.continuum("site", "invite", "other", "--out", str(tmp_path / "x"), status=1)
    assert "--listen" in refused.stderr
