"""The plan of an embedded continuum, without anything being started."""

import json
from pathlib import Path

import msgspec
import pytest

from continuum.model.policies import Policy
from continuum.security import identity_files
from continuum.sites.documents import format_document, parse_document
from continuum.sites.embedded import nats, seaweedfs
from continuum.sites.embedded.plans import EmbeddedSettings, EmbeddedSite, plan
from continuum.sites.supervision.folders import MAX_SOCKET_NAME_BYTES
from continuum.sites.supervision.plans import Plan, PlannedProcess, ReadyLine, ReadyStore

SECRETS = seaweedfs.StoreSecrets(
    site_access_key="SITE",
    site_secret_key="site-secret",
    peer_access_key="PEER",
    peer_secret_key="peer-secret",
    tokens=("t1", "t2", "t3", "t4"),
)


def settings(*names: str, profile: str = "development") -> EmbeddedSettings:
    ports = {"backbone": 20000, "hub": 3000}
    for index, name in enumerate(names):
        for offset, port in enumerate(seaweedfs.STORE_PORT_NAMES):
            ports[f"store.{name}.{port}"] = 21000 + 100 * index + offset
    return EmbeddedSettings(
        name="test",
        home=Path("/home"),
        run_folder=Path("/home/run"),
        profile=profile,
        policy=Policy.COPY_ON_READ,
        sites=tuple(
            EmbeddedSite(
                name=name,
                kind="embedded",
                gateway_port=8002 + index,
                computing_units=2,
                memory_bytes=10**9,
                store=SECRETS,
            )
            for index, name in enumerate(names)
        ),
        hub_port=3000,
        ports=ports,
        python=Path("/python"),
        nats_server=Path("/nats-server"),
        weed=Path("/weed"),
        ca_pem="PEM",
        environment={"OPENSSL_CONF": "/home/run/openssl.cnf"},
    )


def process(planned: Plan, name: str) -> PlannedProcess:
    return next(each for each in planned.processes if each.name == name)


def file(planned: Plan, path: str) -> dict:
    return json.loads(next(each.data for each in planned.files if each.path == Path(path)))


def test_every_site_has_a_store_a_gateway_and_an_agent() -> None:
    names = [each.name for each in plan(settings("edge", "cloud")).processes]
    assert sorted(names) == sorted(
        ["nats", "hub"]
        + [f"{part}.{site}" for part in ("store", "gateway", "agent") for site in ("edge", "cloud")]
    )


def test_processes_wait_for_what_they_need_only() -> None:
    planned = plan(settings("edge"))
    after = {each.name: set(each.after) for each in planned.processes}
    assert after == {
        "nats": set(),
        "store.edge": set(),
        "hub": {"nats"},
        "gateway.edge": {"hub", "store.edge"},
        "agent.edge": {"hub"},
    }


def test_no_two_processes_listen_on_the_same_port() -> None:
    ports = [port for each in plan(settings("edge", "cloud")).processes for port in each.ports]
    assert len(ports) == len(set(ports)) == 1 + 1 + 2 * (8 + 1)


def test_every_process_speaks_tls_with_our_settings() -> None:
    for each in plan(settings("edge")).processes:
        assert each.environment["OPENSSL_CONF"] == "/home/run/openssl.cnf"


def test_no_secret_stands_on_a_command_line() -> None:
    words = [word for each in plan(settings("edge")).processes for word in each.argv]
    assert not any("secret" in word and not word.endswith(".json") for word in words)


def test_a_store_is_alone_silent_and_on_loopback() -> None:
    argv = process(plan(settings("edge")), "store.edge").argv
    for flag in ("-ip.bind=127.0.0.1", "-master.telemetry=false", "-master.peers=none"):
        assert flag in argv
    for flag in ("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"):
        assert flag in argv
    assert sum(".port" in word for word in argv) == 8 + 2
    assert isinstance(process(plan(settings("edge")), "store.edge").probe, ReadyStore)


def test_a_store_offers_modern_suites_only() -> None:
    environment = process(plan(settings("edge")), "store.edge").environment
    assert environment["WEED_TLS_MIN_VERSION"] == "TLS 1.2"
    assert environment["WEED_TLS_CIPHER_SUITES"].split(",") == list(nats.SUITES)
    assert len(nats.SUITES) == 6
    assert all("ECDHE" in suite and "CBC" not in suite for suite in nats.SUITES)


def test_a_gateway_reaches_its_own_store_by_socket_and_peers_reach_it_by_tls() -> None:
    told = file(plan(settings("edge")), "/home/sites/edge/gateway/settings.json")
    assert told["own_store"]["endpoint"] == "unix:/home/run/store.edge.s3.sock"
    assert told["own_store"]["access_key"] == "SITE"
    assert told["peer_store"]["endpoint"] == "https://127.0.0.1:21006"
    assert told["peer_store"]["access_key"] == "PEER"
    assert told["peer_store"]["ca_pem"] == "PEM"
    assert told["policy"] == "copy_on_read"


def test_gateways_speak_https_in_the_release_profile() -> None:
    planned = plan(settings("edge", profile="release"))
    told = file(planned, "/home/sites/edge/gateway/settings.json")
    assert told["tls_certificate_file"] == "/home/identities/gateway.edge/certificate.pem"
    assert planned.gateways == {"edge": "https://127.0.0.1:8002"}


def test_peers_may_use_objects_of_one_bucket_only() -> None:
    identities = json.loads(seaweedfs.format_identities(SECRETS, "continuum"))["identities"]
    actions = {each["name"]: each["actions"] for each in identities}
    assert actions == {"site": ["Admin"], "peers": ["Read:continuum", "Write:continuum", "List:continuum"]}


@pytest.mark.parametrize("name", ["a", "a" * 63])
def test_the_name_of_a_socket_is_short_enough_for_any_site(name: str) -> None:
    path = seaweedfs.socket_path(Path("/run"), f"store.{name}")
    assert len(path.name) <= MAX_SOCKET_NAME_BYTES


def test_sockets_of_long_names_differ() -> None:
    names = [f"store.{'a' * 60}{letter}" for letter in "ab"]
    assert len({seaweedfs.socket_path(Path("/run"), name) for name in names}) == 2


def test_links_lead_between_all_sites() -> None:
    links = file(plan(settings("a", "b", "c")), "/home/hub/settings.json")["links"]
    assert len(links) == 6
    assert all(link["source"] != link["target"] for link in links)


def test_a_plan_survives_being_written_and_read() -> None:
    planned = plan(settings("edge"))
    assert parse_document(format_document(planned), Plan) == planned


def test_hub_gateway_and_agent_say_themselves_when_they_serve() -> None:
    planned = plan(settings("edge"))
    for name in ("hub", "gateway.edge", "agent.edge"):
        assert isinstance(process(planned, name).probe, ReadyLine)


# ---- the backbone's permissions ----


def users(*identities: str) -> dict[str, dict]:
    text = nats.format_backbone_configuration(
        port=1,
        server=identity_files(Path("/home"), "backbone"),
        identities=identities,
        pid_file=Path("/p"),
    )
    configuration = json.loads(text)
    assert configuration["tls"]["verify_and_map"] is True
    assert configuration["tls"]["min_version"] == "1.2"
    return {user["user"]: user["permissions"] for user in configuration["authorization"]["users"]}


def test_everybody_reads_their_own_inbox_only() -> None:
    for name, permissions in users("hub", "gateway.edge", "agent.edge", "driver", "admin").items():
        inboxes = [subject for subject in permissions["subscribe"]["allow"] if "_INBOX" in subject]
        assert inboxes == [f"_INBOX_{name.removeprefix('CN=').replace('.', '_')}.>"]


def test_only_drivers_speak_to_agents_and_agents_hear_of_their_site_only() -> None:
    permissions = users("hub", "gateway.edge", "agent.edge", "driver", "admin")
    speakers = [
        name
        for name, each in permissions.items()
        if any(subject.startswith("site.") for subject in each["publish"]["allow"])
    ]
    assert speakers == ["CN=driver"]
    heard = permissions["CN=agent.edge"]["subscribe"]["allow"]
    assert [subject for subject in heard if subject.startswith("site.")] == ["site.edge.>"]


def test_gateways_cannot_administer_users_or_stores() -> None:
    denied = users("gateway.edge")["CN=gateway.edge"]["publish"]["deny"]
    assert {"locator.create_user", "locator.list_users", "locator.delete_user"} <= set(denied)
    assert {"locator.add_store", "locator.remove_store"} <= set(denied)


def test_nobody_publishes_to_inboxes_but_in_answer() -> None:
    for permissions in users("hub", "gateway.edge", "agent.edge", "driver").values():
        assert not any("INBOX" in subject or subject == ">" for subject in permissions["publish"]["allow"])
        assert permissions["allow_responses"]["max"] == 1


def test_an_unknown_role_may_nothing() -> None:
    permissions = users("stranger.x")["CN=stranger.x"]
    assert permissions["publish"] == {"allow": [], "deny": [">"]}


# ---- reached by other machines ----


def open_settings(profile: str = "development") -> EmbeddedSettings:
    """Two sites that others reach at an address and at a name."""
    found = settings("edge", "cloud", profile=profile)
    outer = {"store.edge.outer": 22000, "store.cloud.outer": 22001}
    return msgspec.structs.replace(found, listen=("192.0.2.7", "hub.example.org"), ports=found.ports | outer)


def test_a_store_stays_on_loopback_and_others_reach_its_s3_port_alone_through_a_relay() -> None:
    planned = plan(open_settings())
    argv = " ".join(process(planned, "store.edge").argv)
    assert "-ip.bind=127.0.0.1" in argv
    assert "22000" not in argv
    relay = process(planned, "relay")
    s3 = settings("edge", "cloud").ports
    assert relay.argv[3:] == (f"22000:{s3['store.edge.s3']}", f"22001:{s3['store.cloud.s3']}")
    gateway = file(planned, "/home/sites/edge/gateway/settings.json")
    assert gateway["peer_store"]["endpoint"] == "https://192.0.2.7:22000"
    assert "relay" not in {each.name for each in plan(settings("edge")).processes}


@pytest.mark.parametrize(("profile", "host"), [("development", "127.0.0.1"), ("release", "0.0.0.0")])
def test_backbone_and_hub_listen_for_others_gateways_only_with_tls(profile: str, host: str) -> None:
    planned = plan(open_settings(profile))
    assert file(planned, "/home/sites/edge/gateway/settings.json")["listen_host"] == host
    assert file(planned, "/home/hub/settings.json")["listen_host"] == "0.0.0.0"
    assert file(planned, "/home/run/nats.conf")["listen"] == "0.0.0.0:20000"
    assert planned.hosts == ("192.0.2.7", "hub.example.org")


def test_who_joined_is_let_in_beside_the_sites_of_the_machine() -> None:
    planned = plan(msgspec.structs.replace(open_settings(), joined=("lab",)))
    users = {each["user"] for each in file(planned, "/home/run/nats.conf")["authorization"]["users"]}
    assert {"CN=agent.lab", "CN=gateway.lab", "CN=agent.edge"} <= users
    assert "CN=store.lab" not in users
