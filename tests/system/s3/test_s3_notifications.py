"""Notifications through boto3 to a real subscriber on the backbone and to a real HTTPS server, over the death
of the hub."""

import asyncio
import hmac
import json
import queue
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nats
import pytest
from embedding import wait_until
from s3_clients import refusal

from continuum.security import client_context, create_identity

pytestmark = pytest.mark.system

WAIT_S = 20.0


class Hook:
    """An HTTPS server that keeps what is posted to it. `answer` is its status; 0 cuts the connection."""

    def __init__(self, folder: Path) -> None:
        self.answer = 200
        self.posts: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self._files = create_identity(folder, "hub", "hub")
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.posts.put(({name.lower(): value for name, value in self.headers.items()}, body))
                if not hook.answer:
                    return
                self.send_response(hook.answer)
                self.send_header("location", hook.url + "elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files.certificate_file, self._files.key_file)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}/"

    @property
    def ca_file(self) -> Path:
        return self._files.ca_file

    def next(self) -> tuple[dict[str, str], dict[str, Any]]:
        headers, body = self.posts.get(timeout=WAIT_S)
        return headers, json.loads(body)

    def rest(self) -> list[dict[str, Any]]:
        """Everything that has arrived."""
        found = []
        while not self.posts.empty():
            found.append(self.next()[1])
        return found

    def names(self, count: int) -> list[tuple[str, str]]:
        """Event names and keys of the next so many different events, in the order of their arrival."""
        found: dict[str, tuple[str, str]] = {}
        deadline = time.monotonic() + WAIT_S
        while len(found) < count:
            assert time.monotonic() < deadline, found
            headers, told = self.next()
            record = told["Records"][0]
            found.setdefault(
                headers["x-continuum-event-id"], (record["eventName"], record["s3"]["object"]["key"])
            )
        return list(found.values())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    hook = Hook(tmp_path)
    yield hook
    hook.close()


def configure(client: Any, bucket: str, name: str, *events: str, **filters: str) -> None:
    topic: dict[str, Any] = {
        "Id": "tell",
        "TopicArn": f"arn:continuum:sns:::{name}",
        "Events": list(events or ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")),
    }
    if filters:
        rules = [{"Name": kind, "Value": value} for kind, value in filters.items()]
        topic["Filter"] = {"Key": {"FilterRules": rules}}
    client.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [topic]}
    )


def add_target(embedded: Any, address: str, *options: str) -> tuple[str, str]:
    """Return name and secret of a new target."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    done = embedded.continuum("bucket", "notification", "target", "add", name, address, *options, "--json")
    return name, json.loads(done.stdout).get("secret", "")


def status_of(embedded: Any, name: str) -> dict[str, Any]:
    listed = json.loads(embedded.continuum("bucket", "notification", "target", "list", "--json").stdout)
    return next(each for each in listed if each["name"] == name)


def wait_until_told(embedded: Any, name: str) -> None:
    wait_until(lambda: not status_of(embedded, name)["waiting"], WAIT_S, f"{name} was not told of everything")


def test_a_configuration_is_kept_and_checked_as_s3_does(embedded, edge, cloud, bucket):
    assert "TopicConfigurations" not in edge.get_bucket_notification_configuration(Bucket=bucket)
    name, _ = add_target(embedded, "notifications.kept")
    configure(edge, bucket, name, "s3:ObjectCreated:Put", prefix="in/", suffix=".jpg")
    (kept,) = cloud.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"]
    assert kept == {
        "Id": "tell",
        "TopicArn": f"arn:continuum:sns:::{name}",
        "Events": ["s3:ObjectCreated:Put"],
        "Filter": {
            "Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]}
        },
    }
    bad = [
        ({"TopicArn": "arn:continuum:sns:::nobody"}, "InvalidArgument"),
        ({"TopicArn": "arn:aws:sns:eu-west-1:1:x"}, "InvalidArgument"),
        ({"Events": ["s3:ObjectRestore:*"]}, "NotImplemented"),
    ]
    for changes, code in bad:
        arguments = {"NotificationConfiguration": {"TopicConfigurations": [kept | changes]}}
        assert refusal(edge.put_bucket_notification_configuration, Bucket=bucket, **arguments)[0] == code
    twice = {"TopicConfigurations": [kept, kept | {"Id": "again"}]}
    assert (
        refusal(edge.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=twice)[0]
        == "InvalidArgument"
    )
    in_use = embedded.continuum("bucket", "notification", "target", "remove", name, status=1)
    assert bucket in in_use.stderr
    edge.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert "TopicConfigurations" not in cloud.get_bucket_notification_configuration(Bucket=bucket)
    embedded.continuum("bucket", "notification", "target", "remove", name)


def test_a_subscriber_on_the_backbone_hears_what_happens(embedded, edge, cloud, bucket):
    subject = f"notifications.{uuid.uuid4().hex}"
    name, _ = add_target(embedded, subject)
    configure(edge, bucket, name, prefix="in/")
    edge.put_object(Bucket=bucket, Key="in/before anybody listens", Body=b"1")

    async def listen() -> list[dict[str, Any]]:
        settings = embedded.home.backbone_settings("admin")
        context = client_context(settings.ca_file, settings.certificate_file, settings.key_file)
        client = await nats.connect(settings.url, tls=context, inbox_prefix=b"_INBOX_admin")
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def hear(message: Any) -> None:
            heard.put_nowait(json.loads(message.data))

        await client.subscribe(subject, cb=hear)
        await client.flush()
        await asyncio.to_thread(act)
        told = [await asyncio.wait_for(heard.get(), WAIT_S) for _ in range(4)]
        await client.close()
        return told

    def act() -> None:
        cloud.put_object(Bucket=bucket, Key="in/ä b", Body=b"22")
        cloud.put_object(Bucket=bucket, Key="out", Body=b"3")
        edge.copy_object(Bucket=bucket, Key="in/copy", CopySource=f"{bucket}/out")
        edge.delete_object(Bucket=bucket, Key="in/ä b")

    records = [told["Records"][0] for told in asyncio.run(listen())]
    by_key: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_key.setdefault(record["s3"]["object"]["key"], []).append(record)
    assert {key: [each["eventName"] for each in told] for key, told in by_key.items()} == {
        "in%2Fbefore+anybody+listens": ["ObjectCreated:Put"],
        "in%2F%C3%A4+b": ["ObjectCreated:Put", "ObjectRemoved:Delete"],
        "in%2Fcopy": ["ObjectCreated:Copy"],
    }
    created, removed = by_key["in%2F%C3%A4+b"]
    assert created["s3"]["object"]["size"] == 2
    assert created["s3"]["bucket"]["name"] == bucket
    assert created["userIdentity"] == {"principalId": "admin"}
    assert created["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    assert created["s3"]["object"]["sequencer"] < removed["s3"]["object"]["sequencer"]


def test_a_web_server_is_told_with_a_signature_until_it_takes_it(embedded, edge, bucket, hook):
    name, secret = add_target(embedded, hook.url + "hook?x=1", "--ca", str(hook.ca_file))
    configure(edge, bucket, name)
    assert "taken" in embedded.continuum("bucket", "notification", "test", bucket).stdout
    assert hook.next()[1]["Event"] == "s3:TestEvent"

    hook.answer = 302  # a redirect is a refusal
    edge.put_object(Bucket=bucket, Key="a", Body=b"1")
    edge.delete_object(Bucket=bucket, Key="a")
    headers, told = hook.next()
    stamp, _, signature = headers["x-continuum-signature"].partition(",v1=")
    body = json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()
    expected = hmac.new(secret.encode(), f"{stamp[2:]}.".encode() + body, sha256).hexdigest()
    assert hmac.compare_digest(signature, expected)
    assert abs(time.time() - int(stamp[2:])) < 60
    failed = embedded.continuum("bucket", "notification", "test", bucket, status=1)
    assert "status 302" in failed.stdout
    hook.answer = 200
    wait_until_told(embedded, name)
    events = [told["Records"][0]["eventName"] for told in hook.rest() if "Records" in told]
    assert list(dict.fromkeys(events)) == ["ObjectCreated:Put", "ObjectRemoved:Delete"]
    assert events[-1] == "ObjectRemoved:Delete"


def test_events_outlive_the_hub(embedded, edge, bucket, hook):
    name, _ = add_target(embedded, hook.url, "--ca", str(hook.ca_file))
    configure(edge, bucket, name)
    hook.answer = 0  # it hears every event and never says that it has it
    keys = [f"key-{number}" for number in range(12)]
    for key in keys:
        edge.put_object(Bucket=bucket, Key=key, Body=b"1")
    edge.delete_object(Bucket=bucket, Key=keys[0])
    hook.next()  # one is under way when the hub dies
    embedded.kill("hub")
    hook.answer = 200
    embedded.wait_until_ready()
    told = hook.names(13)
    assert sorted(told) == sorted(
        [("ObjectCreated:Put", key) for key in keys] + [("ObjectRemoved:Delete", keys[0])]
    )
    assert [event for event, key in told if key == keys[0]] == ["ObjectCreated:Put", "ObjectRemoved:Delete"]
    wait_until_told(embedded, name)
    status = status_of(embedded, name)
    assert (status["delivered"], status["dead"]) == (13, 0)
