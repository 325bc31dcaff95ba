"""The counts of a gateway and how Prometheus reads them."""

from continuum.store.gateway.locations import format_base36
from continuum.store.gateway.metrics import Counts, add_up, format_metrics


def test_counts_are_written_with_their_labels() -> None:
    counts = Counts()
    counts.count_request("GetObject", 200)
    counts.count_request("GetObject", 200)
    counts.count_request("-", 400)
    counts.count_read("cloud", 10)
    counts.count_copy("kept")
    text = format_metrics(counts, site="edge")
    assert 'continuum_gateway_requests_total{site="edge",operation="GetObject",status="200"} 2\n' in text
    assert 'continuum_gateway_requests_total{site="edge",operation="-",status="400"} 1\n' in text
    assert 'continuum_gateway_read_bytes_total{site="edge",source_site="cloud"} 10\n' in text
    assert 'continuum_gateway_copies_total{site="edge",outcome="kept"} 1\n' in text
    assert "# TYPE continuum_gateway_connections gauge\n" in text


def test_counts_of_several_processes_add_up() -> None:
    one, two = Counts(collected=1), Counts(collected=2, written_bytes=5)
    one.count_request("PutObject", 200)
    two.count_request("PutObject", 200)
    total = add_up([one, two])
    assert (total.collected, total.written_bytes, total.requests) == (3, 5, {"PutObject 200": 2})


def test_physical_keys_are_counted_in_base_36() -> None:
    assert [format_base36(n) for n in (0, 9, 10, 35, 36, 36**3)] == ["0", "9", "a", "z", "10", "1000"]
    assert all(int(format_base36(n), 36) == n for n in range(0, 100_000, 97))
