"""One run: load, nemesis, then quiet until all is well; every key read at both sites, the stores verified."""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.chaos.loads import Orders
from benchmarks.chaos.nemesis import Nemesis
from benchmarks.chaos.records import Fault, Record, read_records
from benchmarks.chaos.schedules import Choices, make_schedule
from benchmarks.chaos.worlds import CENTRE, World, wait_until_ready
from continuum.store import Job

CALM_S = 5.0  # at the end: sessions and leases settle, requests that nobody waits for any more end
CLIENT_S = 60.0
FINAL_S = 180.0
VERIFY_S = 240.0
_MAKE_BUCKETS = """
import boto3, json, sys
orders = json.load(sys.stdin)
client = boto3.client("s3", endpoint_url=orders["url"], aws_access_key_id=orders["access_key"],
                      aws_secret_access_key=orders["secret_key"], region_name="us-east-1")
for bucket in orders["buckets"]:
    client.create_bucket(Bucket=bucket)
client.put_bucket_versioning(Bucket=orders["buckets"][1], VersioningConfiguration={"Status": "Enabled"})
"""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was and what came of it. `verified`: findings of `store verify` by kind (empty: clean);
    `None`: it was not done, or did not come to its end (`verify_problem`)."""

    seed: int
    seconds: float
    is_spread: bool
    began_s: float
    ended_s: float
    faults: tuple[Fault, ...]
    records: tuple[Record, ...] = ()
    verified: dict[str, int] | None = None
    verify_problem: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to be."""

    seed: int
    seconds: float
    workers: int = 6
    pause_s: float = 0.03
    verifies: bool = True
    choices: Choices | None = None
    calm_s: float = CALM_S


async def run(world: World, plan: Plan, folder: Path) -> Run:
    """Run once in a world that is ready; the history's files are left in `folder`."""
    everybody = [_make_orders(world, plan, folder, site.name) for site in world.home.continuum().sites]
    await _execute(world, everybody[0].site, ("-c", _MAKE_BUCKETS), msgspec.json.encode(everybody[0]))
    choices = plan.choices or Choices(processes=tuple(world.status()), links=world.links)
    nemesis = Nemesis(world, make_schedule(choices, seconds=plan.seconds, seed=plan.seed))
    async with contextlib.AsyncExitStack() as stack:
        for orders in everybody:
            await stack.enter_async_context(_clients(world, orders))
        began_s = time.monotonic()
        await nemesis.run(began_s)
        await asyncio.sleep(max(0.0, began_s + plan.seconds - time.monotonic()))
        ended_s = time.monotonic()
    await wait_until_ready(world)
    await asyncio.sleep(plan.calm_s)
    await asyncio.gather(*(_read_all(world, orders) for orders in everybody))
    verified, problem = await _verify(world) if plan.verifies else (None, "")
    done = Run(
        seed=plan.seed,
        seconds=plan.seconds,
        is_spread=bool(world.links),
        began_s=began_s,
        ended_s=ended_s,
        faults=tuple(nemesis.faults),
        verified=verified,
        verify_problem=problem,
    )
    (folder / "run.json").write_bytes(msgspec.json.encode(done))
    return read_run(folder)


def read_run(folder: Path) -> Run:
    """Return a run whose files were kept."""
    done = msgspec.json.decode((folder / "run.json").read_bytes(), type=Run)
    records = [record for file in folder.glob("history-*.jsonl") for record in read_records(file)]
    ordered = sorted(records, key=lambda record: record.began_s)
    return msgspec.structs.replace(done, records=tuple(ordered))


def _make_orders(world: World, plan: Plan, folder: Path, site: str) -> Orders:
    access_key, secret_key = world.home.credentials()
    url = next(each.gateway_url for each in world.home.continuum().sites if each.name == site)
    return Orders(
        site=site,
        url=url,
        access_key=access_key,
        secret_key=secret_key,
        seed=plan.seed,
        buckets=(f"chaos-{plan.seed}-plain", f"chaos-{plan.seed}-versioned"),
        history=str(folder / f"history-{site}.jsonl"),
        workers=plan.workers,
        pause_s=plan.pause_s,
    )


@contextlib.asynccontextmanager
async def _clients(world: World, orders: Orders):  # noqa: ANN202 -- a context manager of nothing
    process = await _start(world, orders.site, ("-m", "benchmarks.chaos.clients"))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(orders) + b"\n")
    try:
        if await asyncio.wait_for(process.stdout.readline(), CLIENT_S) != b"ready\n":
            raise SystemExit("the clients did not start")
        yield
        process.stdin.close()
        if await asyncio.wait_for(process.wait(), CLIENT_S * 2):
            raise SystemExit("the clients did not end in order")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _read_all(world: World, orders: Orders) -> None:
    orders = msgspec.structs.replace(orders, is_final=True)
    command = ("-m", "benchmarks.chaos.clients")
    await _execute(world, orders.site, command, msgspec.json.encode(orders) + b"\n", FINAL_S)


async def _execute(
    world: World, place: str, arguments: tuple[str, ...], given: bytes, limit_s: float = CLIENT_S
) -> bytes:
    process = await _start(world, place, arguments)
    try:
        said, _ = await asyncio.wait_for(process.communicate(given), limit_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise SystemExit(f"{arguments[:2]} at {place} ended with {process.returncode}")
    return said


async def _start(world: World, place: str, arguments: tuple[str, ...]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *world.inside(place),
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )


async def _verify(world: World) -> tuple[dict[str, int] | None, str]:
    """Verify all stores, every byte; return findings by kind and outcome."""
    process = await asyncio.create_subprocess_exec(
        *world.inside(CENTRE),
        str(Path(sys.executable).with_name("continuum")),
        *("store", "verify", "--deep", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"CONTINUUM_HOME": str(world.home.path)},
    )
    try:
        said, complaint = await asyncio.wait_for(process.communicate(), VERIFY_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None, f"it did not end within {VERIFY_S:.0f} s"
    try:
        jobs = msgspec.json.decode(said, type=list[Job])
    except msgspec.MsgspecError:
        return None, complaint.decode(errors="replace")[-500:]
    found: dict[str, int] = {}
    for finding in (finding for job in jobs for finding in job.findings):
        print(f"  {finding}", flush=True)
        name = f"{finding.kind} ({finding.outcome})"
        found[name] = found.get(name, 0) + 1
    return found, "; ".join(job.problem for job in jobs if job.problem)
