"""What the S3 wire costs a gateway per request: CPU of verifying, signing, routing, reading and writing.

No servers and no sockets: each step is called in a loop and its CPU time divided by the calls; the best of
several rounds counts, because whatever else runs on the machine only adds. botocore's own signing is
measured beside ours.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from rich.console import Console
from rich.table import Table

from continuum.store.authorizations import STREAMING_UNSIGNED_TRAILER
from continuum.store.gateway.checksums import BodyChecksums, Declaration
from continuum.store.gateway.chunks import ChunkDecoder
from continuum.store.gateway.wire import format_output, parse_input, route
from continuum.store.signing import EMPTY_SHA256, VerifiedRequest, parse_authorization, sign, verify

RESULTS = Path(__file__).parent / "results"
NOW = time.time()
KEYS = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
PATH = "/bucket/some/key.bin"
ROUND_S = 0.2
MB = 1_000_000


@dataclass(frozen=True)
class Cost:
    """What one step takes. `beside_us` is botocore's time for the same, 0 if it has no such step."""

    step: str
    cpu_us: float
    beside_us: float = 0.0


def client_headers() -> dict[str, str]:
    """Return the headers that boto3 sends with a GET."""
    headers = {
        "host": "127.0.0.1:8002",
        "accept-encoding": "identity",
        "x-amz-checksum-mode": "ENABLED",
        "user-agent": "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11",
        "amz-sdk-invocation-id": "b8c4b0a4-0b3f-4f0e-8f0e-0b3f4f0e8f0e",
        "amz-sdk-request": "attempt=1",
    }
    return headers | sign(
        "GET", PATH, "", headers, region="us-east-1", now=NOW, payload_hash=EMPTY_SHA256, **KEYS
    )


def page(count: int) -> dict[str, object]:
    """Return the result of a list with `count` entries."""
    entry = {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"', "Size": 4096, "StorageClass": "STANDARD"}
    checksum = {"ChecksumAlgorithm": ["CRC64NVME"], "ChecksumType": "FULL_OBJECT"}
    entries = [
        {"Key": f"some/prefix/{n:07}", "LastModified": NOW - n * 7.1, **entry, **checksum}
        for n in range(count)
    ]
    return {"Name": "bucket", "IsTruncated": False, "MaxKeys": count, "KeyCount": count, "Contents": entries}


def chunked_body(size_bytes: int) -> bytes:
    """Return an `aws-chunked` body without signatures."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (size_bytes, bytes(size_bytes))


def measure(
    step: str, call: Callable[[], object], rounds: int, beside: Callable[[], object] | None = None
) -> Cost:
    """Measure a step, and botocore's beside it in the same rounds."""
    ours = min(cpu_s(call) for _ in range(rounds))
    theirs = min(cpu_s(beside) for _ in range(rounds)) if beside else 0.0
    return Cost(step, ours * 1e6, theirs * 1e6)


def cpu_s(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call, from as many as fill a round."""
    began = time.process_time()
    call()
    calls = max(1, int(ROUND_S / max(time.process_time() - began, 1e-6) / 4))
    began = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began) / calls


def steps(rounds: int) -> list[Cost]:
    """Measure all steps."""
    headers = client_headers()
    upstream = {"host": "127.0.0.1:8333", "range": "bytes=0-4095"}
    routed = route("GET", PATH.encode(), b"", headers)
    described = {"ETag": '"a"', "ContentLength": 4096, "LastModified": NOW, "ContentType": "text/plain"}
    listed = page(1000)
    body, piece = chunked_body(MB), memoryview(bytes(MB))
    streamed = VerifiedRequest(
        access_key="a",
        signing_key=b"",
        seed_signature="",
        scope="",
        timestamp="",
        payload_hash=STREAMING_UNSIGNED_TRAILER,
    )

    def verify_get() -> object:
        authorization = parse_authorization("GET", PATH.encode(), b"", headers)
        assert authorization is not None
        return verify(
            authorization,
            KEYS["secret_key"],
            method="GET",
            raw_path=PATH.encode(),
            raw_query=b"",
            headers=headers,
            now=NOW,
        )

    def sign_upstream() -> object:
        return sign("GET", "/bucket/a6a96f/1z", "", upstream, region="us-east-1", now=NOW, **KEYS)

    def botocore_signs() -> None:
        request = AWSRequest("GET", "http://127.0.0.1:8333/bucket/a6a96f/1z", headers=upstream)
        S3SigV4Auth(Credentials(*KEYS.values()), "s3", "us-east-1").add_auth(request)

    def decode() -> object:
        decoder = ChunkDecoder(streamed, length_bytes=MB, trailers=frozenset())
        for at in range(0, len(body), 65_536):
            decoder.feed(body[at : at + 65_536])
        return decoder.finish()

    def check() -> object:
        checksums = BodyChecksums(Declaration(), default="crc64nvme")
        checksums.update(piece)
        return checksums.finish()

    return [
        measure("verify a GET's signature", verify_get, rounds),
        measure("sign a request to a store", sign_upstream, rounds, botocore_signs),
        measure("route a GET", lambda: route("GET", PATH.encode(), b"", headers), rounds),
        measure("read a GET's parameters", lambda: parse_input("GetObject", routed, headers), rounds),
        measure("write a GET's headers", lambda: format_output("GetObject", described), rounds),
        measure("write a page of 1,000 keys", lambda: format_output("ListObjectsV2", listed), rounds),
        measure("decode 1 MB of aws-chunked", decode, rounds),
        measure("CRC-64/NVME of 1 MB", check, rounds),
    ]


def main() -> None:
    """Measure, print the table, write wire.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    costs = steps(3 if parser.parse_args().quick else 15)
    table = Table("step", "CPU µs", "botocore, CPU µs", "ratio")
    for cost in costs:
        beside = (
            (f"{cost.beside_us:.1f}", f"{cost.cpu_us / cost.beside_us:.2f}") if cost.beside_us else ("", "")
        )
        table.add_row(cost.step, f"{cost.cpu_us:.1f}", *beside)
    Console(width=100).print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "wire.json").write_text(json.dumps([asdict(cost) for cost in costs], indent=2) + "\n")


if __name__ == "__main__":
    main()
