"""The Sky Store demonstrator of §6.2.2: its `aws s3api` commands in its order, every reply asserted.

    continuum up
    python examples/skystore_demo/demo.py [--home FOLDER] [--fresh]

The two environments of the source are the first two sites of the continuum: env1 (there: aws:eu-central-1)
the first, env2 (there: aws:eu-west-1) the second. Each command is given to the gateway of its environment, as
written in the source.

Step 6 of the source contradicts itself: its text puts the object into `eu-west-1-bucket-1`, its command into
`eu-central-1-bucket-1`; steps 7 and 8 list and read `eu-west-1-bucket-1`, and its last paragraph finds the
bytes in eu-west-1, although with the policy that it configures (`write_local`) they lie where they were
written, at eu-central-1. Chosen here: the text and steps 7 and 8 (bucket `eu-west-1-bucket-1`), and the
policy's meaning: after step 6 the bytes are in the store of env1 and nowhere else. After env2 has read the
object (step 8) they are still only there under `write_local`; under `copy_on_read` the store of env2 has a
copy, and only then the last paragraph of the source is true.
"""

import argparse
import hashlib
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from continuum.sites import Home

BUCKET_1 = "eu-central-1-bucket-1"
BUCKET_2 = "eu-west-1-bucket-1"
PAYLOAD_BYTES = 5 * 1024 * 1024

Result = TypeVar("Result")


class DemoError(Exception):
    """A reply was not the expected one."""


@dataclass(frozen=True)
class Environment:
    """One of the two environments: a gateway to talk to, and behind it a store to look into."""

    name: str
    site: str
    gateway_url: str
    policy: str
    store_url: str
    store_bucket: str
    variables: dict[str, str]
    store_variables: dict[str, str]


def main() -> int:
    """Run the demonstrator; 0 if every reply was right, else 1."""
    options = _parse_options()
    home = Home(options.home) if options.home else Home.default()
    env1, env2 = (_open_environment(home, index) for index in (0, 1))
    try:
        with tempfile.TemporaryDirectory(prefix="skystore-demo-") as folder:
            run(env1, env2, Path(folder), is_fresh=options.fresh)
    except DemoError as problem:
        print(f"FAILED: {problem}", file=sys.stderr)
        return 1
    print("every reply was as expected")
    return 0


def run(env1: Environment, env2: Environment, folder: Path, *, is_fresh: bool) -> None:
    """Give the commands of §6.2.2, step 5, in order. Raises `DemoError` at the first wrong reply."""
    both = (env1, env2)
    if not is_fresh:
        _remove_leftovers(env1)
    before, seen_by_env2 = _in_each(both, _buckets)
    _expect(before == seen_by_env2, "1. both environments list the same buckets")
    if is_fresh:
        _expect(before == [], "1. there are none")

    _aws(env1, "create-bucket", "--bucket", BUCKET_1)
    listed = sorted([*before, BUCKET_1])
    _expect(_in_each(both, _buckets) == [listed, listed], f"3. both list {BUCKET_1}, created in env1")
    _aws(env2, "create-bucket", "--bucket", BUCKET_2)
    listed = sorted([*listed, BUCKET_2])
    _expect(_in_each(both, _buckets) == [listed, listed], "5. both list both buckets")

    physical = _in_each(both, _physical_payloads)
    payload = folder / "payload.data"
    # The source uses `truncate -s 5M`; bytes by chance show more when they come back.
    payload.write_bytes(secrets.token_bytes(PAYLOAD_BYTES))
    _aws(env1, "put-object", "--bucket", BUCKET_2, "--key", "payload", "--body", str(payload))
    _expect(_new_payloads(both, physical) == [1, 0], f"6. the bytes are at {env1.site}, and only there")
    one = [("payload", PAYLOAD_BYTES)]
    _expect(_in_each(both, _objects) == [one, one], f"7. both list payload, 5 MiB, in {BUCKET_2}")

    received = folder / "received" / "payload.data"
    received.parent.mkdir()
    _aws(env2, "get-object", "--bucket", BUCKET_2, "--key", "payload", str(received))
    _expect(_digest(received) == _digest(payload), "8. env2 received the very file that env1 sent")
    _check_where_bytes_are(env1, env2, physical)


def _check_where_bytes_are(env1: Environment, env2: Environment, before: list[set[str]]) -> None:
    copies = 1 if env2.policy == "copy_on_read" else 0
    where = f"{env1.site} and, as a copy, {env2.site}" if copies else f"{env1.site} only"
    deadline = time.monotonic() + 10  # a copy is written beside the reply and may come a moment later
    while (now := _new_payloads((env1, env2), before)) != [1, copies] and time.monotonic() < deadline:
        time.sleep(0.2)
    _expect(now == [1, copies], f"physical buckets ({env2.policy}): the payload is at {where}")


def _new_payloads(environments: tuple[Environment, ...], before: list[set[str]]) -> list[int]:
    now = _in_each(environments, _physical_payloads)
    return [len(keys - were) for keys, were in zip(now, before, strict=True)]


def _in_each(environments: tuple[Environment, ...], look: Callable[[Environment], Result]) -> list[Result]:
    with ThreadPoolExecutor(len(environments)) as pool:
        return list(pool.map(look, environments))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--home", help="home of the continuum (default: $CONTINUUM_HOME or ~/.continuum)")
    parser.add_argument("--fresh", action="store_true", help="expect an empty name space, as the source does")
    return parser.parse_args()


def _open_environment(home: Home, index: int) -> Environment:
    site = home.continuum().sites[index]
    settings = json.loads((home.site_folder(site.name) / "gateway" / "settings.json").read_bytes())
    store = settings["peer_store"]
    access_key, secret_key = home.credentials()
    return Environment(
        name=f"env{index + 1}",
        site=site.name,
        gateway_url=site.gateway_url,
        policy=settings.get("policy", "write_local"),
        store_url=store["endpoint"],
        store_bucket=store["bucket"],
        variables=_variables(access_key, secret_key, home.ca_file),
        store_variables=_variables(store["access_key"], store["secret_key"], home.ca_file),
    )


def _variables(access_key: str, secret_key: str, ca_file: Path) -> dict[str, str]:
    own = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_CA_BUNDLE": str(ca_file),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",  # nobody's profile changes what is shown here
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | own


def _remove_leftovers(env: Environment) -> None:
    present = set(_buckets(env))
    if BUCKET_2 in present and _objects(env):
        _aws(env, "delete-object", "--bucket", BUCKET_2, "--key", "payload")
    for bucket in sorted({BUCKET_1, BUCKET_2} & present):
        _aws(env, "delete-bucket", "--bucket", bucket)


def _buckets(env: Environment) -> list[str]:
    return sorted(bucket["Name"] for bucket in _aws(env, "list-buckets").get("Buckets", []))


def _objects(env: Environment, bucket: str = BUCKET_2) -> list[tuple[str, int]]:
    reply = _aws(env, "list-objects", "--bucket", bucket)
    return [(entry["Key"], entry["Size"]) for entry in reply.get("Contents", [])]


def _physical_payloads(env: Environment) -> set[str]:
    """Return the physical keys of what is as large as the payload in the store behind an environment."""
    command = [
        "aws",
        "s3api",
        "--endpoint-url",
        env.store_url,
        "list-objects-v2",
        "--bucket",
        env.store_bucket,
    ]
    reply = _reply_of(command, env.store_variables)
    return {entry["Key"] for entry in reply.get("Contents", []) if entry["Size"] == PAYLOAD_BYTES}


def _aws(env: Environment, *arguments: str) -> dict:
    command = ["aws", "s3api", "--endpoint-url", env.gateway_url, "--no-verify-ssl", *arguments]
    print(f"{env.name}$ {shlex.join(command)}", flush=True)
    return _reply_of(command, env.variables)


def _reply_of(command: list[str], variables: dict[str, str]) -> dict:
    program = Path(sys.executable).with_name(command[0])  # the awscli beside this Python, if there is one
    done = subprocess.run(
        [str(program) if program.exists() else command[0], *command[1:]],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise DemoError(
            f"{shlex.join(command)}\n  ended with status {done.returncode}: {done.stderr.strip()}"
        )
    return json.loads(done.stdout) if done.stdout.strip() else {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _expect(is_right: bool, what: str) -> None:
    if not is_right:
        raise DemoError(f"expected, but it is not so: {what}")
    print(f"  ok  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
