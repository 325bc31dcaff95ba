"""Traces: made in the published shape, written, read, refused with the line that is wrong."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.policies.prices import Prices
from continuum.model.policies.simulating import Request
from continuum.store import (
    TRACE_COLUMNS,
    TraceShape,
    format_request,
    generate,
    parse_named_policy,
    read_trace,
    simulate,
)

SHAPE = TraceShape(objects=4000, buckets=40, seed=7)


def test_a_made_trace_has_the_published_shape() -> None:
    trace = generate(SHAPE)
    counts = Counter(request.operation for request in trace)
    shares = {name: count / len(trace) for name, count in counts.items()}
    assert shares["HEAD"] == pytest.approx(0.58, abs=0.06)
    assert shares["GET"] == pytest.approx(0.246, abs=0.08)
    assert shares["DELETE"] == pytest.approx(0.088, abs=0.02)
    assert shares["PUT"] + shares["COPY"] == pytest.approx(0.085, abs=0.02)
    reads = Counter(request.key for request in trace if request.operation == "GET")
    assert 1 - len(reads) / SHAPE.objects == pytest.approx(0.55, abs=0.03)
    assert sum(count == 1 for count in reads.values()) / SHAPE.objects == pytest.approx(0.29, abs=0.03)
    small = [request.size_bytes <= 10**6 for request in trace if request.operation in {"PUT", "COPY"}]
    assert sum(small) / len(small) == pytest.approx(0.81, abs=0.03)
    assert trace == sorted(trace, key=lambda request: request.at)
    assert trace == generate(SHAPE)


def test_a_trace_is_read_as_it_was_written(tmp_path: Path) -> None:
    trace = generate(TraceShape(objects=50, buckets=3))
    path = tmp_path / "trace.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([TRACE_COLUMNS, *map(format_request, trace)])
    found = list(read_trace(path))
    assert [each.key for each in found] == [each.key for each in trace]
    assert [format_request(each) for each in found] == [format_request(each) for each in trace]


def test_json_lines_with_names_times_and_ranges_of_s3_are_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"time": "1970-01-01T00:00:10Z", "op": "REST.GET.OBJECT", "bucket": "b", "key": "k",'
        ' "size": 100, "range": "bytes=10-19", "site": "edge"}\n'
    )
    assert list(read_trace(path)) == [Request(10.0, "GET", "b", "k", 100, 10, "edge")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,EAT,b,k,1,,edge", "line 2.*operation"),
        ("x,GET,b,k,1,,edge", "line 2"),
        ("1,GET,b,k,-1,,edge", "negative"),
        ("1,GET,,k,1,,edge", "not empty"),
        ("2020-01-01T00:00:00,GET,b,k,1,,edge", "no zone"),
        ("1,GET,b,k,1,bytes=9-1,edge", "range"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(",".join(TRACE_COLUMNS) + "\n" + line + "\n")
    with pytest.raises(InvalidInputError, match=message):
        read_trace(path)


def test_an_empty_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text(",".join(TRACE_COLUMNS) + "\n")
    with pytest.raises(InvalidInputError, match="empty"):
        read_trace(tmp_path / "trace.csv")


def test_policies_have_names() -> None:
    for name in ("none", "combined", "fixed_ttl:12h", "replicate_all", "t_even+second_hit"):
        parse_named_policy(name)
    for name in ("fixed_ttl", "combined:1h", "best", "t_even+third_hit", ""):
        with pytest.raises(InvalidInputError):
            parse_named_policy(name)


def test_a_simulation_compares_policies_with_the_optimum() -> None:
    trace = generate(TraceShape(objects=1500, buckets=10, seed=3))
    prices = Prices(storage_eur_per_gb_month=0.6, transfer_eur_per_gb=0.02)
    names = ("none", "t_even", "combined")
    report = simulate(trace, {name: parse_named_policy(name) for name in names}, prices)
    none, even, combined = report.summaries
    assert report.even_h["edge"] == pytest.approx(24)
    assert none.optimum_eur == pytest.approx(even.optimum_eur)
    assert even.bucket_max < 2.05
    assert 1 <= combined.ratio < none.ratio
    assert combined.bucket_mean <= even.bucket_mean
