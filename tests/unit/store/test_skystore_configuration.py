"""Sky Store's configuration: file, environment and options, and what they mean."""

import json
from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.policies import Policy
from continuum.model.policies.documents import format_policy, parse_bucket_policy
from continuum.security import create_identity
from continuum.sites import Home, PlannedFile
from continuum.store.encryption.masterkeys import ensure_master_keys
from continuum.store.skystore.commands import accept_single_dashes
from continuum.store.skystore.configurations import (
    ConfigurationFile,
    parse_configuration,
    parse_server,
    resolve_client,
    resolve_server,
)
from continuum.store.skystore.joining import MASTER_KEYS, unpack_join_file, write_join_file
from continuum.store.skystore.launching import ClientOptions, prepare_client
from continuum.store.skystore.plans import ClientJob, ServerJob, plan_client, plan_server
from continuum.store.skystore.policies import choose_policy
from continuum.store.skystore.regions import (
    Region,
    choose_endpoint,
    parse_endpoints,
    parse_region,
    parse_regions,
)

SOURCE = b"""{
  "init_regions": ["aws:eu-central-1", "aws:eu-west-1"],
  "client_from_region": "aws:eu-central-1",
  "skystore_bucket_prefix": "skystore-yourname",
  "policy": "write_local",
  "server_addr": "127.0.0.1"
}"""
KEYS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}


def test_the_configuration_of_the_source_is_understood_as_it_stands() -> None:
    wanted = resolve_client(parse_configuration(SOURCE, "x.json"), KEYS)
    assert wanted.region == Region("aws", "eu-central-1")
    assert wanted.region.site == "aws-eu-central-1"
    assert wanted.bucket == "skystore-yourname-eu-central-1"
    assert wanted.policy.policy is Policy.WRITE_LOCAL
    assert wanted.server == ("127.0.0.1", 3000)
    assert wanted.endpoint == "https://s3.eu-central-1.amazonaws.com"
    assert wanted.client_keys == wanted.store_keys


def test_an_unknown_key_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidInputError, match="pollicy") as caught:
        parse_configuration(b'{"pollicy": "write_local"}', "x.json")
    assert "server_addr" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"[]", b'{"init_regions": "aws:x"}', b"{", b'{"policy": 1}'])
def test_a_file_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"x\.json"):
        parse_configuration(data, "x.json")


def test_the_environment_stands_in_for_keys_that_are_missing() -> None:
    environment = KEYS | {
        "INIT_REGIONS": "aws:eu-central-1, aws:eu-west-1",
        "CLIENT_FROM_REGION": "aws:eu-west-1",
        "SKYSTORE_BUCKET_PREFIX": "prefix",
        "POLICY": "copy_on_read",
        "SERVER_ADDR": "env1:3100",
    }
    wanted = resolve_client(ConfigurationFile(), environment)
    assert wanted.bucket == "prefix-eu-west-1"
    assert wanted.policy.policy is Policy.COPY_ON_READ
    assert wanted.server == ("env1", 3100)


def test_options_count_before_the_file_and_the_file_before_the_environment() -> None:
    file = parse_configuration(SOURCE, "x.json")
    environment = KEYS | {"POLICY": "copy_on_read", "SERVER_ADDR": "environment"}
    assert resolve_client(file, environment).policy.policy is Policy.WRITE_LOCAL
    assert resolve_client(file, environment, policy="copy_on_read").policy.policy is Policy.COPY_ON_READ
    assert resolve_client(file, environment, server_addr="option:1").server == ("option", 1)


def test_clients_have_keys_of_their_own_if_they_are_given() -> None:
    more = {"SKY_ACCESS_KEY_ID": "C", "SKY_SECRET_ACCESS_KEY": "CS"}
    wanted = resolve_client(parse_configuration(SOURCE, "x"), KEYS | more)
    assert (wanted.client_keys.access_key, wanted.client_keys.secret_key) == ("C", "CS")
    assert wanted.store_keys is not None
    assert wanted.store_keys.access_key == "A"
    assert "CS" not in repr(wanted)


@pytest.mark.parametrize(
    ("change", "environment", "reason"),
    [
        ({"init_regions": []}, KEYS, "no regions"),
        ({"init_regions": ["eu-central-1"]}, KEYS, "is no region"),
        ({"client_from_region": "aws:moon"}, KEYS, "aws:moon is not one of"),
        ({"client_from_region": ""}, KEYS, "client_from_region is not given"),
        ({"skystore_bucket_prefix": ""}, KEYS, "skystore_bucket_prefix is not given"),
        ({"skystore_bucket_prefix": "Not A Bucket"}, KEYS, "cannot name a bucket"),
        ({"policy": "pull"}, KEYS, "no policy 'pull'"),
        ({"policy": "pull"}, {}, "no policy 'pull'"),  # also before the keys are set
        ({"server_addr": "host:port"}, KEYS, "no address of a server"),
        ({}, {}, "keys of the object store are not set"),
        ({}, {"AWS_ACCESS_KEY_ID": "A"}, "only one of"),
        ({}, KEYS | {"SKYSTORE_ENDPOINTS": "nonsense"}, "is no endpoint"),
        ({}, KEYS | {"SKYSTORE_ENDPOINTS": "aws:eu-central-1=http://10.0.0.1:9000"}, "to the network"),
    ],
)
def test_what_is_missing_or_wrong_is_said(change: dict, environment: dict, reason: str) -> None:
    data = json.dumps(json.loads(SOURCE) | change).encode()
    with pytest.raises(InvalidInputError, match=reason):
        resolve_client(parse_configuration(data, "x.json"), environment)


def test_endpoints_other_than_those_of_aws_are_given_by_region() -> None:
    endpoints = parse_endpoints("aws:a=http://127.0.0.1:9000, ceph:b=https://ceph.example.org/")
    assert choose_endpoint(Region("aws", "a"), endpoints) == "http://127.0.0.1:9000"
    assert choose_endpoint(Region("ceph", "b"), endpoints) == "https://ceph.example.org"
    with pytest.raises(InvalidInputError, match="endpoint of ceph:c is not known"):
        choose_endpoint(Region("ceph", "c"), endpoints)


@pytest.mark.parametrize("text", ["", "aws", "aws:", ":x", "aws:x:y", "a b:c"])
def test_a_region_is_a_cloud_and_a_region_of_it(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is no region"):
        parse_region(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("", ("127.0.0.1", 3000)), ("h", ("h", 3000)), ("h:1", ("h", 1)), (" h ", ("h", 3000))],
)
def test_the_address_of_a_server_has_a_port_or_the_usual_one(text: str, address: tuple[str, int]) -> None:
    assert parse_server(text) == address


def test_the_server_needs_regions() -> None:
    assert len(resolve_server({"INIT_REGIONS": "aws:a,aws:b,aws:a"}).regions) == 2
    with pytest.raises(InvalidInputError, match="no regions"):
        resolve_server({})


def test_options_are_accepted_as_the_source_prints_them() -> None:
    words = ["init", "-config=/x/a_b.json", "--server_addr", "h_1", "-h", "--policy=a_b"]
    assert accept_single_dashes(words) == [
        "init",
        "--config=/x/a_b.json",
        "--server-addr",
        "h_1",
        "-h",
        "--policy=a_b",
    ]


# ---- plans and joining ----


def file_of(files: tuple[PlannedFile, ...], name: str) -> dict:
    return json.loads(next(file.data for file in files if file.path.name == name))


def test_the_server_s_backbone_knows_the_gateways_of_its_regions_only(tmp_path: Path) -> None:
    job = ServerJob(
        home=tmp_path,
        run_folder=tmp_path / "run",
        regions=(Region("aws", "a"), Region("aws", "b")),
        listen_host="127.0.0.1",
        port=3000,
        api_port=3001,
        python=Path("/python"),
        nats_server=Path("/nats"),
        backbone=create_identity(tmp_path, "backbone", "backbone"),
        hub=create_identity(tmp_path, "hub", "hub"),
        environment={},
    )
    configuration = file_of(plan_server(job).files, "nats.conf")
    assert configuration["listen"] == "127.0.0.1:3000"
    names = [user["user"] for user in configuration["authorization"]["users"]]
    assert names == ["CN=hub", "CN=admin", "CN=gateway.aws-a", "CN=gateway.aws-b"]


def test_a_gateway_lets_in_the_clients_keys_and_uses_the_store_s(tmp_path: Path) -> None:
    more = {"SKY_ACCESS_KEY_ID": "C", "SKY_SECRET_ACCESS_KEY": "CS"}
    job = ClientJob(
        home=tmp_path,
        run_folder=tmp_path / "run",
        configuration=resolve_client(parse_configuration(SOURCE, "x"), KEYS | more),
        port=8002,
        python=Path("/python"),
        identity=create_identity(tmp_path, "gateway.aws-eu-central-1", "gateway"),
        environment={},
    )
    told = file_of(plan_client(job).files, "gateway.json")
    assert [(user["access_key"], user["role"]) for user in told["users"]] == [("C", "admin")]
    assert (told["own_store"]["access_key"], told["own_store"]["region"]) == ("A", "eu-central-1")
    assert told["own_store"]["bucket"] == "skystore-yourname-eu-central-1"
    assert told["listen_host"] == "127.0.0.1"


def test_a_join_file_carries_an_identity_to_another_home(tmp_path: Path) -> None:
    made = create_identity(tmp_path / "here", "gateway.aws-a", "gateway")
    keys = tmp_path / "here" / "master.keys"
    ensure_master_keys(keys)
    write_join_file(tmp_path / "a.join", made, keys)
    assert (tmp_path / "a.join").stat().st_mode & 0o777 == 0o600
    there = unpack_join_file(tmp_path / "a.join", tmp_path / "there", "gateway.aws-a")
    assert there.key_file.read_bytes() == made.key_file.read_bytes()
    assert (tmp_path / "there" / MASTER_KEYS).read_bytes() == keys.read_bytes()
    assert (tmp_path / "there" / MASTER_KEYS).stat().st_mode & 0o777 == 0o600
    assert there.ca_file.read_bytes() == made.ca_file.read_bytes()
    assert not (tmp_path / "there" / "ca" / "ca.key").exists()
    with pytest.raises(InvalidInputError, match=r"makes gateway\.aws-a, but this is gateway\.aws-b"):
        unpack_join_file(tmp_path / "a.join", tmp_path / "there", "gateway.aws-b")
    (tmp_path / "bad.join").write_text("{}")
    with pytest.raises(InvalidInputError, match="is no join file"):
        unpack_join_file(tmp_path / "bad.join", tmp_path / "there", "gateway.aws-a")


def test_a_client_without_an_authority_is_told_where_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "c.json").write_bytes(SOURCE)
    options = ClientOptions(
        config=tmp_path / "c.json", is_local=False, policy="", server_addr="", port=8002, join=None
    )
    with pytest.raises(NotFoundError) as caught:
        prepare_client(Home(tmp_path / "home"), options)
    assert "--join-file" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("push", {"placement": "push", "sites": ["aws-eu-central-1", "aws-eu-west-1"]}),
        ("replicate_all", {"placement": "replicate_all"}),
        ("single_region", {"placement": "single_region", "sites": ["aws-eu-central-1"]}),
        ("fixed_ttl", {"keeping": "fixed_ttl", "ttl": "24h"}),
        ("t_even", {"keeping": "t_even"}),
        ("always_store", {"keeping": "always"}),
        ("always_evict", {"keeping": "none"}),
        ("read", None),
        ("write_local", None),
    ],
)
def test_policies_of_sky_store_are_known_by_their_names(name: str, document: dict | None) -> None:
    chosen = choose_policy(name, parse_regions(["aws:eu-central-1", "aws:eu-west-1"]))
    assert chosen.policy is Policy.WRITE_LOCAL
    if document is None:
        assert chosen.new_buckets is None
    else:
        written = format_policy(chosen.new_buckets)
        assert {name: each for name, each in json.loads(written).items() if each} == document
        assert parse_bucket_policy(written) == chosen.new_buckets
