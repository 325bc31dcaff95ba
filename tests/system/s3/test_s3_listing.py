"""Lists of objects against a list that a few lines of Python make of the same keys."""

import concurrent.futures

import pytest
from s3_clients import RawClient, refusal

pytestmark = pytest.mark.system

KEYS = sorted(
    [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a//b",
        "a-b",
        "b/1",
        "b/2",
        "b/3/x",
        "c d/e f",
        "plus+plus/x",
        "percent%/x",
        "amp&<>\"'/x",
        "z--1",
        "z--2",
        "z--2--3",
        "ü/x",
        "東京/x",
        "\U0001f986/x",
        "\uff5e/x",
        "control\x01/x",
        "new\nline/x",
    ],
    key=str.encode,
)
"""In the order of their UTF-8 bytes, which for the last few is not that of Java's or JavaScript's strings."""


@pytest.fixture(scope="module")
def filled(edge, cloud):
    """A bucket with KEYS, written through both gateways."""
    name = "interop-listing"
    edge.create_bucket(Bucket=name)
    for number, key in enumerate(KEYS):
        (edge, cloud)[number % 2].put_object(Bucket=name, Key=key, Body=key.encode())
    return name


def expected(prefix: str = "", delimiter: str = "", after: str = "") -> list[tuple[str, str]]:
    """What a list gives, in order: ("key", …) and ("prefix", …)."""
    found: list[tuple[str, str]] = []
    for key in KEYS:
        told = bool(delimiter) and after.endswith(delimiter) and key.startswith(after)
        if not key.startswith(prefix) or key.encode() <= after.encode() or told:
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        line = ("key", key) if end < 0 else ("prefix", key[: end + len(delimiter)])
        if line not in found:
            found.append(line)
    return found


def lines(page: dict) -> list[tuple[str, str]]:
    """The lines of a page, in order."""
    entries = page.get("Contents", page.get("Versions", []))
    found = [("key", entry["Key"]) for entry in entries]
    found += [("prefix", entry["Prefix"]) for entry in page.get("CommonPrefixes", [])]
    return sorted(found, key=lambda line: line[1].encode())


QUESTIONS = [
    {},
    {"Delimiter": "/"},
    {"Prefix": "a"},
    {"Prefix": "a/"},
    {"Prefix": "a/", "Delimiter": "/"},
    {"Prefix": "b/", "Delimiter": "/"},
    {"Prefix": "z", "Delimiter": "--"},
    {"Prefix": "nothing"},
    {"Prefix": "東", "Delimiter": "/"},
    {"Prefix": "amp&<>\"'/", "Delimiter": "/"},
    {"Prefix": "c d", "Delimiter": " "},
    {"Delimiter": "x"},
    {"Prefix": "a//b", "Delimiter": "/"},
    {"Delimiter": "\n"},
]


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
def test_every_list_gives_the_keys_in_order_with_pages_of_any_size(edge, cloud, filled, operation, question):
    wanted = expected(question.get("Prefix", ""), question.get("Delimiter", ""))
    for client in (edge, cloud):
        assert lines(getattr(client, operation)(Bucket=filled, **question)) == wanted
    for size in (1, 2, 5):
        pages = list(
            edge.get_paginator(operation).paginate(
                Bucket=filled, PaginationConfig={"PageSize": size}, **question
            )
        )
        assert [line for page in pages for line in lines(page)] == wanted
        assert all(len(lines(page)) == size for page in pages[:-1])
        assert [page["IsTruncated"] for page in pages] == [True] * (len(pages) - 1) + [False]


@pytest.mark.parametrize("after", ["", "a", "a/", "a/b", "b", "b/1", "b/9", "ü", "zzz", "\U0010ffff"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_a_list_may_begin_after_any_text(edge, filled, after, delimiter):
    options = {"Delimiter": delimiter} if delimiter else {}
    wanted = expected(delimiter=delimiter, after=after)
    second = edge.list_objects_v2(Bucket=filled, StartAfter=after, **options)
    assert lines(second) == wanted
    assert lines(edge.list_objects(Bucket=filled, Marker=after, **options)) == wanted
    assert lines(edge.list_object_versions(Bucket=filled, KeyMarker=after, **options)) == wanted


def test_an_entry_tells_what_its_object_is(edge, cloud, filled):
    entry = edge.list_objects_v2(Bucket=filled, Prefix="a-b", FetchOwner=True)["Contents"][0]
    head = cloud.head_object(Bucket=filled, Key="a-b")
    assert entry["Size"] == head["ContentLength"] == 3
    assert entry["ETag"] == head["ETag"]
    assert entry["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert entry["StorageClass"] == "STANDARD"
    assert entry["Owner"]["ID"]
    assert "Owner" not in edge.list_objects_v2(Bucket=filled, Prefix="a-b")["Contents"][0]
    assert edge.list_objects(Bucket=filled, Prefix="a-b")["Contents"][0]["Owner"]["ID"]
    version = edge.list_object_versions(Bucket=filled, Prefix="a-b")["Versions"][0]
    assert (version["VersionId"], version["IsLatest"]) == ("null", True)


def test_a_page_repeats_its_question(edge, filled):
    page = edge.list_objects_v2(Bucket=filled, Prefix="b/", Delimiter="/", MaxKeys=2, StartAfter="b/1")
    asked = {
        "Name": filled,
        "Prefix": "b/",
        "Delimiter": "/",
        "MaxKeys": 2,
        "StartAfter": "b/1",
        "KeyCount": 2,
    }
    assert {name: page[name] for name in asked} == asked
    page = edge.list_objects(Bucket=filled, Prefix="b/", MaxKeys=1, Marker="b/1")
    assert (page["Name"], page["Prefix"], page["Marker"], page["MaxKeys"]) == (filled, "b/", "b/1", 1)


def test_a_page_may_be_empty(edge, filled):
    for operation in ("list_objects", "list_objects_v2", "list_object_versions"):
        page = getattr(edge, operation)(Bucket=filled, MaxKeys=0)
        assert (lines(page), page["IsTruncated"], page["MaxKeys"]) == ([], False, 0)


def test_keys_are_written_plainly_unless_encoding_is_asked_for(raw: RawClient, filled):
    plain = raw.request("GET", f"/{filled}", "prefix=amp").body
    assert b"<Key>amp&amp;&lt;&gt;&quot;'/x</Key>" in plain
    encoded = raw.request("GET", f"/{filled}", "encoding-type=url&prefix=amp").body
    assert b"<Key>amp%26%3C%3E%22%27/x</Key>" in encoded
    assert b"<EncodingType>url</EncodingType>" in encoded
    assert b"<Key>control&#x1;/x</Key>" in raw.request("GET", f"/{filled}", "prefix=control").body


@pytest.mark.parametrize(
    "query",
    [
        "max-keys=-1",
        "max-keys=x",
        "max-keys=99999999999",
        "encoding-type=base64",
        "list-type=2&continuation-token=nonsense!",
        "versions&version-id-marker=x",
    ],
)
def test_questions_that_make_no_sense_are_refused(raw: RawClient, filled, query):
    answer = raw.request("GET", f"/{filled}", query)
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_a_page_has_at_most_1000_entries_and_as_many_can_be_deleted_at_once(edge, cloud, bucket):
    keys = [f"{number:04}" for number in range(1005)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: edge.put_object(Bucket=bucket, Key=key, Body=b""), keys))
    page = cloud.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert (page["KeyCount"], page["IsTruncated"]) == (1000, True)
    token = page["NextContinuationToken"]
    rest = edge.list_objects_v2(Bucket=bucket, ContinuationToken=token)
    assert [entry["Key"] for entry in page["Contents"] + rest["Contents"]] == keys
    every = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    assert refusal(edge.delete_objects, Bucket=bucket, Delete=every) == ("MalformedXML", 400)
    assert edge.list_objects_v2(Bucket=bucket)["KeyCount"] == 1000
    most = {"Objects": every["Objects"][:1000]}
    assert [line["Key"] for line in cloud.delete_objects(Bucket=bucket, Delete=most)["Deleted"]] == keys[
        :1000
    ]
    assert edge.list_objects_v2(Bucket=bucket)["KeyCount"] == 5
