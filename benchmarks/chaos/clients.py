"""The clients of one site: threads with boto3, each with one request at a time, every outcome recorded.

    python -m benchmarks.chaos.clients < ORDERS      (JSON; the rest of standard input says when to stop)

boto3 does not try again here (one attempt is one operation of the history) and gives up after `TIMEOUT_S`.
Nothing is assumed about what the network swallowed: only a connection that never came about is known to
have had no effect. With `is_final` it reads every key once instead, until each read has an answer.
"""

import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)

from benchmarks.chaos.loads import Load, Orders
from benchmarks.chaos.records import FAILED, OK, READS, REFUSED, UNKNOWN, Record
from benchmarks.chaos.requesting import Reply, Request, perform

TIMEOUT_S = 12.0
CONNECT_S = 3.0
FINAL_TRIES = 60
FINAL_PAUSE_S = 0.5
_NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError)
_OUTSIDE = frozenset({"InvalidRange", "416"})
_NEVER_EXCUSED = frozenset(
    {"SignatureDoesNotMatch", "AccessDenied", "403", "BadDigest", "NoSuchBucket", "FlexibleChecksumError"}
)
_REFUSALS = frozenset({"PreconditionFailed", "NoSuchKey", "404"})


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    stop = threading.Event()
    with Path(orders.history).open("ab", buffering=0) as file:
        history = History(file.write)
        if orders.is_final:
            read_all(orders, history)
            return
        workers = [
            threading.Thread(target=work, args=(orders, number, history, stop), daemon=True)
            for number in range(orders.workers)
        ]
        for worker in workers:
            worker.start()
        print("ready", flush=True)
        sys.stdin.buffer.read()
        stop.set()
        for worker in workers:
            worker.join(TIMEOUT_S * 5)
        if any(worker.is_alive() for worker in workers):
            raise SystemExit("a request had no end")


class History:
    """Writes one line per record, whole lines only."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._encode = msgspec.json.Encoder().encode

    def add(self, record: Record) -> None:
        """Write a record."""
        line = self._encode(record) + b"\n"
        with self._lock:
            self._write(line)


def work(orders: Orders, number: int, history: History, stop: threading.Event) -> None:
    """Be one worker until `stop`."""
    name = f"{orders.site}-{number}"
    client = make_client(orders)
    load, chance = Load(orders, name), random.Random()
    while not stop.is_set():
        for request in load.choose():
            record = attempt(client, orders.site, name, request)
            history.add(record)
            load.learn(record)
            if not record.is_answered:
                stop.wait(orders.pause_s * 5)  # a person's program would not hammer either
                break
        stop.wait(chance.uniform(0, 2 * orders.pause_s))


def attempt(client: Any, site: str, worker: str, request: Request) -> Record:
    """Send one request; return what came of it."""
    began_s = time.monotonic()
    try:
        outcome, code, reply = OK, "", perform(client, request)
    except ClientError as problem:
        code = problem.response.get("Error", {}).get("Code", "")
        outcome, reply = judge(request, code, _status(problem)), Reply()
    except _NEVER_SENT as problem:
        outcome, code, reply = FAILED, type(problem).__name__, Reply()
    except (BotoCoreError, HTTPClientError, OSError) as problem:
        outcome = FAILED if request.operation in READS else UNKNOWN
        code, reply = type(problem).__name__, Reply()
    absent = outcome == OK and code != ""
    return Record(
        worker=worker,
        site=site,
        operation=request.operation,
        bucket=request.bucket,
        key=request.key,
        began_s=began_s,
        ended_s=time.monotonic(),
        outcome=outcome,
        code=code,
        token="" if absent else request.token or reply.token,
        expected=request.expected,
        etag=reply.etag or request.etag,
        version_id=reply.version_id or request.version_id,
        source=request.source,
        body=reply.body,
        size_bytes=request.size_bytes or reply.size_bytes,
        listed=reply.listed,
        problem=reply.problem or _blame(request, outcome, code),
    )


def judge(request: Request, code: str, status: int) -> str:
    """Return the outcome of an error that the server answered."""
    is_absent = code in {"NoSuchKey", "404"} or (status == 404 and not code.startswith("NoSuch"))
    if request.operation in READS:
        if code in _OUTSIDE:
            return REFUSED
        return OK if is_absent and request.operation != "version" else FAILED
    if status >= 500:
        return UNKNOWN
    return REFUSED if code in _REFUSALS else FAILED


def _blame(request: Request, outcome: str, code: str) -> str:
    """Return what may not be whatever happens: errors that no fault excuses."""
    if request.operation == "version" and code in {"NoSuchKey", "NoSuchVersion", "404"}:
        return f"the acknowledged version {request.version_id} is gone"
    if outcome == FAILED and code in _NEVER_EXCUSED:
        return f"{code} for a request that is right"
    return ""


def _status(problem: ClientError) -> int:
    return int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def make_client(orders: Orders) -> Any:
    """Return a boto3 client that tries once."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=orders.url,
        aws_access_key_id=orders.access_key,
        aws_secret_access_key=orders.secret_key,
        region_name="us-east-1",
        config=Config(
            connect_timeout=CONNECT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


def read_all(orders: Orders, history: History) -> None:
    """Read every key, and list everything, until each has an answer."""
    client = make_client(orders)
    name = f"final-{orders.site}"
    for request in Load(orders, name).list_final():
        for _ in range(FINAL_TRIES):
            record = attempt(client, orders.site, name, request)
            history.add(record)
            if record.is_answered or record.problem:
                break
            time.sleep(FINAL_PAUSE_S)
        else:
            history.add(
                msgspec.structs.replace(
                    record, problem=f"no answer after the end of all faults: {record.code}"
                )
            )


if __name__ == "__main__":
    main()
