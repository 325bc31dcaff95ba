"""A circuit breaker under a clock of its own."""

from continuum.store.stores.breakers import Breaker


def test_it_opens_after_failures_in_a_row_and_lets_one_request_probe_later() -> None:
    breaker = Breaker(threshold=3, open_s=1.0, longest_open_s=4.0)
    for _ in range(2):
        breaker.fail(0.0)
    assert breaker.allow(0.0)
    breaker.fail(0.0)
    assert breaker.is_open(0.5)
    assert not breaker.allow(0.9)
    assert breaker.allow(1.0)
    assert not breaker.allow(1.0)
    breaker.succeed()
    assert breaker.allow(1.0)
    assert breaker.allow(1.0)


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(threshold=2)
    for _ in range(5):
        breaker.fail(0.0)
        breaker.succeed()
    assert breaker.allow(0.0)


def test_it_stays_open_longer_after_each_probe_that_fails_up_to_a_limit() -> None:
    breaker = Breaker(threshold=1, open_s=1.0, longest_open_s=4.0)
    now, waits = 0.0, []
    breaker.fail(now)
    for _ in range(4):
        start = now
        while not breaker.allow(now):
            now += 0.25
        waits.append(now - start)
        breaker.fail(now)
    assert waits == [1.0, 2.0, 4.0, 4.0]


def test_requests_that_fail_after_it_opened_do_not_open_it_longer() -> None:
    breaker = Breaker(threshold=1, open_s=1.0, longest_open_s=60.0)
    for _ in range(50):
        breaker.fail(0.0)
    assert breaker.allow(1.0)


def test_a_probe_that_never_ends_lets_another_one_go_in_time() -> None:
    breaker = Breaker(threshold=1, open_s=1.0)
    breaker.fail(0.0)
    assert breaker.allow(1.0)
    assert not breaker.allow(5.0)
    assert breaker.allow(6.5)
