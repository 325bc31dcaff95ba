"""What encryption costs the gateway: the same requests plain and encrypted, without TLS and with it.

    python benchmarks/encryption.py [--quick]

Starts its own SeaweedFS, NATS, locator and two gateways of one site, one with plain HTTP and one with HTTPS,
both over the store's unix socket. Kinds of request take turns, several rounds; medians of the gateway's CPU
(the kernel's count, user and system) are shown per request or per gigabyte. With SSE-S3 an object in one
piece gets the MD5 of its plain bytes as its ETag, which is most of what its PUT costs; parts of an upload and
SSE-C do not need it. The aim is 64 MiB with TLS and encryption in no more than 2.0 CPU seconds per GB.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import secrets
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from continuum.model.objects import Store
from continuum.security import create_identity
from continuum.store import ensure_master_keys
from continuum.store.objects import ObjectClient
from continuum.store.stores.s3 import StoreClient
from gateway import GB, LARGE_BYTES, MIB, RESULTS, SMALL_BYTES
from s3_load import Load, Result, run_load
from s3_servers import GatewayServer, LocatorServer, NatsServer, StoreServer, cpu_s, start_gateway

BUCKET = "bench"
KEY = os.urandom(32)
KINDS: dict[str, dict[str, str]] = {
    "plain": {},
    "sse-s3": {"x-amz-server-side-encryption": "AES256"},
    "sse-c": {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": base64.b64encode(KEY).decode(),
        "x-amz-server-side-encryption-customer-key-md5": base64.b64encode(hashlib.md5(KEY).digest()).decode(),
    },
}


@dataclass(frozen=True)
class Scale:
    rounds: int
    seconds: float
    large_count: int


FULL = Scale(rounds=3, seconds=3.0, large_count=12)
QUICK = Scale(rounds=2, seconds=1.0, large_count=5)


class Bench:
    """The servers, and what is asked of them."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.stack = contextlib.AsyncExitStack()
        self.gateways: dict[str, GatewayServer] = {}
        self.ca_file = ""
        self.found: dict[str, Any] = {}

    async def start(self) -> None:
        store, nats = StoreServer(self.folder / "store"), NatsServer(self.folder)
        locator = LocatorServer(self.folder, nats)
        for server in (store, nats, locator):
            self.stack.callback(server.stop)
            await server.start()
        self.user = locator.user
        keys = self.folder / "master.keys"
        ensure_master_keys(keys)
        files = create_identity(self.folder, "gateway.tls", "gateway")
        self.ca_file = str(files.ca_file)
        tls = {"tls_certificate_file": files.certificate_file, "tls_key_file": files.key_file}
        for name, more in (("http", {}), ("https", tls)):
            gateway = await start_gateway(
                self.folder, store, nats, gateway=f"gateway.{name}", master_keys_file=keys, **more
            )
            self.stack.push_async_callback(gateway.stop)
            self.gateways[name] = gateway

    async def fill(self) -> dict[str, str]:
        """Write what is read, and begin uploads; return their ids."""
        url = f"http://127.0.0.1:{self.gateways['http'].port}"
        access_key, secret_key = self.user.access_key, self.user.secret_key
        async with ObjectClient(url, access_key, secret_key) as client:
            await client.ensure_bucket(BUCKET)
        store = Store(
            name="gateway", site="", endpoint=url, region="us-east-1", bucket=BUCKET,
            access_key=access_key, secret_key=secret_key,
        )  # fmt: skip
        wire = StoreClient(store)
        uploads = {}
        for kind, headers in KINDS.items():
            await wire.put(f"{kind}/large", secrets.token_bytes(LARGE_BYTES), headers=headers)
            await wire.put(f"{kind}/small", secrets.token_bytes(SMALL_BYTES), headers=headers)
            uploads[kind] = await wire.create_upload(f"{kind}/parts", headers=headers)
        await wire.close()
        return uploads

    async def measure(self, name: str, *, bytes_each: int, **load: Any) -> None:
        """Measure one request for every kind at both gateways, in turns."""
        spent: dict[str, list[float]] = {}
        rates: dict[str, list[float]] = {}
        uploads = load.pop("uploads", None)
        for _ in range(self.scale.rounds):
            for kind, headers in KINDS.items():
                for way, gateway in self.gateways.items():
                    changes = dict(load)
                    if uploads is not None:
                        changes["query"] = f"partNumber=1&uploadId={uploads[kind]}"
                    is_asked_for = kind == "sse-c" or (load["method"] == "PUT" and uploads is None)
                    sent = headers if is_asked_for else {}
                    changes["paths"] = tuple(path.format(kind=kind) for path in load["paths"])
                    before_s = cpu_s(gateway.pid)
                    result = await self._run(gateway, way, sent, changes)
                    label = f"{kind}, {way}"
                    spent.setdefault(label, []).append((cpu_s(gateway.pid) - before_s) / result.requests)
                    rates.setdefault(label, []).append(result.requests / result.seconds)
                    if result.failures:
                        raise SystemExit(f"{result.failures} requests failed: {name}, {label}")
        self._show(name, spent, rates, bytes_each)

    async def _run(
        self, gateway: GatewayServer, way: str, headers: dict[str, str], changes: dict[str, Any]
    ) -> Result:
        load = Load(
            host="127.0.0.1",
            port=gateway.port,
            access_key=self.user.access_key,
            secret_key=self.user.secret_key,
            headers=headers,
            ca_file=self.ca_file if way == "https" else "",
            **changes,
        )
        return await run_load(load)

    def _show(
        self, name: str, spent: dict[str, list[float]], rates: dict[str, list[float]], bytes_each: int
    ) -> None:
        cells = []
        for label, each in spent.items():
            cpu = statistics.median(each)
            entry = {"cpu_us_per_request": cpu * 1e6, "per_s": statistics.median(rates[label])}
            if bytes_each >= MIB:
                entry["cpu_s_per_gb"] = cpu / (bytes_each / GB)
                cells.append(f"{entry['cpu_s_per_gb']:>14.2f}")
            else:
                cells.append(f"{cpu * 1e6:>14.0f}")
            self.found.setdefault(name, {})[label] = entry
        unit = "CPU s/GB" if bytes_each >= MIB else "CPU us"
        print(f"{name:<18} {unit:<9}" + "".join(cells), flush=True)


async def main(scale: Scale) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), scale)
        async with bench.stack:
            await bench.start()
            uploads = await bench.fill()
            labels = [f"{kind}, {way}" for kind in KINDS for way in bench.gateways]
            print(" " * 28 + "".join(f"{label:>14}" for label in labels), flush=True)
            large: dict[str, Any] = {
                "bytes_each": LARGE_BYTES,
                "connections": 2,
                "count": scale.large_count,
                "seconds": 20.0,
            }
            small: dict[str, Any] = {"bytes_each": SMALL_BYTES, "seconds": scale.seconds}
            path, body = ("/bench/{kind}/large",), {"body_bytes": LARGE_BYTES}
            await bench.measure("GET 64 MiB", method="GET", paths=path, **large)
            await bench.measure("PUT 64 MiB", method="PUT", paths=("/bench/{kind}/new",), **body, **large)
            await bench.measure(
                "UploadPart 64 MiB",
                method="PUT",
                paths=("/bench/{kind}/parts",),
                uploads=uploads,
                **body,
                **large,
            )
            await bench.measure("GET 4 KiB", method="GET", paths=("/bench/{kind}/small",), **small)
            await bench.measure(
                "PUT 4 KiB",
                method="PUT",
                paths=tuple(f"/bench/{{kind}}/s{number}" for number in range(32)),
                body_bytes=SMALL_BYTES,
                **small,
            )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "encryption.json").write_text(json.dumps(bench.found, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter runs, rougher numbers")
    uvloop.run(main(QUICK if parser.parse_args().quick else FULL))
