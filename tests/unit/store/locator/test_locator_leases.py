"""The table of who holds what, and the rule that acts on it, with a clock that the test moves."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.errors import UnavailableError
from continuum.store.locator.invalidating import Invalidator
from continuum.store.locator.leases import SHED, Leases, Thing
from continuum.store.locator.messages import Invalidate

LEASE_S = 0.2
A: Thing = ("bucket", "a")
B: Thing = ("bucket", "b")


def make_leases(*sessions: str, max_held: int = 1000) -> Leases:
    leases = Leases(lease_s=LEASE_S, max_held=max_held)
    for session in sessions:
        leases.open(session, site=session[0], now=0.0)
    return leases


def holders(leases: Leases, thing: Thing, **options: str) -> set[str]:
    return set(leases.find_holders([thing], **options))


def test_who_asked_holds_until_the_acknowledgement() -> None:
    leases = make_leases("e1", "c1")
    leases.hold("e1", A)
    leases.hold("c1", A)
    assert holders(leases, A) == {"e1", "c1"}
    assert holders(leases, A, but="c1") == {"e1"}
    leases.release("e1", leases.find_holders([A])["e1"])
    assert holders(leases, A) == {"c1"}
    assert leases.held_count == 1


def test_asking_again_after_the_message_was_sent_keeps_the_holding() -> None:
    leases = make_leases("e1")
    leases.hold("e1", A)
    sent = leases.find_holders([A])["e1"]
    leases.hold("e1", A)
    leases.release("e1", sent)
    assert holders(leases, A) == {"e1"}


def test_a_late_renewal_is_good_as_long_as_nobody_ended_the_session() -> None:
    leases = make_leases("e1")
    assert leases.renew("e1", now=100.0)
    leases.condemn("e1")
    assert not leases.renew("e1", now=100.1)
    assert leases.end("e1")
    assert not leases.end("e1")
    assert not leases.renew("e1", now=100.2)
    assert leases.find_expiry("e1") is None


def test_an_ended_session_holds_nothing_and_is_remembered_until_the_index_knows() -> None:
    leases = make_leases("e1", "c1")
    for session in ("e1", "c1"):
        leases.hold(session, A)
    leases.end("e1")
    assert holders(leases, A) == {"c1"}
    assert leases.list_ended() == ("e1",)
    leases.forget("e1")
    assert leases.list_ended() == ()
    leases.release("e1", {A: 1})  # an acknowledgement that came too late


def test_only_sessions_whose_lease_ran_out_long_ago_are_silent() -> None:
    leases = make_leases("e1", "c1")
    leases.renew("c1", now=1.0)
    assert leases.list_silent(now=1.0, margin_s=0.5) == ("e1",)
    assert leases.list_silent(now=0.5, margin_s=0.5) == ()


def test_what_is_above_the_bound_is_taken_from_who_holds_most_the_oldest_first() -> None:
    leases = make_leases("e1", "c1", max_held=SHED)
    leases.hold("c1", A)
    for number in range(SHED + 10):
        leases.hold("e1", ("bucket", str(number)))
    leases.hold("e1", ("bucket", "0"))  # used again
    excess = leases.find_excess()
    assert excess is not None
    session, shed = excess
    assert (session, len(shed)) == ("e1", SHED)
    assert ("bucket", "0") not in shed
    assert ("bucket", "1") in shed
    leases.release(session, shed)
    assert leases.find_excess() is None


def test_neighbours_are_the_sessions_of_the_same_site() -> None:
    leases = make_leases("e1", "e2", "c1")
    for session in ("e1", "e2", "c1"):
        leases.hold(session, A)
    assert holders(leases, A, but="e1", beside="e1") == {"e2"}


STEPS = st.lists(
    st.tuples(st.sampled_from("hre"), st.sampled_from(["e1", "c1"]), st.sampled_from([A, B])), max_size=40
)


@given(STEPS)
def test_the_table_agrees_with_a_set(steps: list[tuple[str, str, Thing]]) -> None:
    leases = make_leases("e1", "c1")
    model: set[tuple[str, Thing]] = set()
    for step, session, thing in steps:
        if step == "h" and leases.is_live(session):
            leases.hold(session, thing)
            model.add((session, thing))
        elif step == "r":
            leases.release(session, leases.find_holders([thing]).get(session, {}))
            model.discard((session, thing))
        elif step == "e":
            leases.end(session)
            model = {held for held in model if held[0] != session}
        assert leases.held_count == len(model)
        for each in (A, B):
            assert holders(leases, each) == {session for session, held in model if held == each}


# ---- telling them ----


class Gateways:
    """The sessions' side: acknowledges, or is deaf; remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Invalidate]] = []
        self.deaf: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive(self, session_id: str, message: Invalidate, timeout_s: float) -> None:
        await self.gate.wait()
        if session_id in self.deaf:
            raise UnavailableError("nobody answers")
        self.told.append((session_id, message))


Telling = Callable[..., Awaitable[None]]


def make_invalidator(leases: Leases, gateways: Gateways, old_leases_s: float = 0.0) -> Invalidator:
    return Invalidator(
        leases,
        gateways.receive,
        asyncio.get_running_loop().time,
        lease_s=LEASE_S,
        old_leases_s=old_leases_s,
    )


def live_leases(*sessions: str) -> Leases:
    leases = Leases(lease_s=LEASE_S, max_held=10_000)
    for session in sessions:
        leases.open(session, site="s", now=asyncio.get_running_loop().time())
    return leases


async def test_a_change_waits_for_the_acknowledgement_of_every_other_holder() -> None:
    leases, gateways = live_leases("writer", "reader", "stranger"), Gateways()
    invalidator = make_invalidator(leases, gateways)
    leases.hold("writer", A)
    leases.hold("reader", A)
    gateways.gate.clear()
    change = asyncio.ensure_future(invalidator.tell([A], but="writer"))
    await asyncio.sleep(0)
    assert not change.done()
    gateways.gate.set()
    await change
    assert gateways.told == [("reader", Invalidate(keys=(A,)))]
    assert holders(leases, A) == {"writer"}


async def test_a_second_change_waits_too_while_the_first_message_is_under_way() -> None:
    leases, gateways = live_leases("reader"), Gateways()
    invalidator = make_invalidator(leases, gateways)
    leases.hold("reader", A)
    gateways.gate.clear()
    first = asyncio.ensure_future(invalidator.tell([A]))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(invalidator.tell([A]))
    await asyncio.sleep(0)
    assert not second.done()
    gateways.gate.set()
    await asyncio.gather(first, second)


async def test_changes_that_wait_for_one_session_share_a_message() -> None:
    leases, gateways = live_leases("reader"), Gateways()
    invalidator = make_invalidator(leases, gateways)
    things = [("bucket", str(number)) for number in range(100)]
    for thing in things:
        leases.hold("reader", thing)
    gateways.gate.clear()
    changes = [asyncio.ensure_future(invalidator.tell([thing])) for thing in things]
    await asyncio.sleep(0)
    gateways.gate.set()
    await asyncio.gather(*changes)
    assert len(gateways.told) <= 2
    assert sum(len(message.keys) for _, message in gateways.told) == 100


async def test_very_many_things_are_told_in_several_messages() -> None:
    leases, gateways = live_leases("reader"), Gateways()
    things = [("bucket", str(number)) for number in range(1000)]
    for thing in things:
        leases.hold("reader", thing)
    await make_invalidator(leases, gateways).tell(things)
    assert sorted(thing for _, message in gateways.told for thing in message.keys) == sorted(things)
    assert max(len(message.keys) for _, message in gateways.told) <= 256


async def test_users_and_keys_are_told_apart() -> None:
    leases, gateways = live_leases("reader"), Gateways()
    leases.hold("reader", ("", "AK"))
    leases.hold("reader", ("bucket", ""))
    await make_invalidator(leases, gateways).tell([("", "AK"), ("bucket", "")])
    assert gateways.told == [("reader", Invalidate(keys=(("bucket", ""),), users=("AK",)))]


@pytest.mark.parametrize("renews", [False, True])
async def test_a_deaf_session_delays_a_change_by_two_leases_at_most_and_is_ended(renews: bool) -> None:
    loop = asyncio.get_running_loop()
    leases, gateways = live_leases("deaf"), Gateways()
    gateways.deaf.add("deaf")
    leases.hold("deaf", A)
    began_at = loop.time()
    change = asyncio.ensure_future(make_invalidator(leases, gateways).tell([A]))
    while not change.done():
        if renews:
            leases.renew("deaf", loop.time())
        await asyncio.sleep(0.01)
    waited_s = loop.time() - began_at
    assert waited_s >= LEASE_S
    assert not leases.is_live("deaf")
    assert leases.list_ended() == ("deaf",)
    if not renews:
        assert waited_s < 2 * LEASE_S


async def test_after_a_restart_a_change_waits_until_old_leases_have_run_out() -> None:
    loop = asyncio.get_running_loop()
    invalidator = make_invalidator(live_leases(), Gateways(), old_leases_s=LEASE_S)
    began_at = loop.time()
    await invalidator.tell([A])
    assert loop.time() - began_at >= LEASE_S
    began_at = loop.time()
    await invalidator.tell([A])
    assert loop.time() - began_at < LEASE_S


async def test_a_full_table_sheds_in_the_background() -> None:
    leases, gateways = Leases(lease_s=LEASE_S, max_held=10), Gateways()
    leases.open("reader", "s", asyncio.get_running_loop().time())
    invalidator = make_invalidator(leases, gateways)
    for number in range(25):
        leases.hold("reader", ("bucket", str(number)))
        invalidator.shed()
    async with asyncio.timeout(5):
        while leases.held_count > 10:  # noqa: ASYNC110 - the table has no event for tests
            await asyncio.sleep(0.001)
    await invalidator.close()


async def test_closing_cancels_who_waits() -> None:
    leases, gateways = live_leases("deaf"), Gateways()
    gateways.deaf.add("deaf")
    leases.hold("deaf", A)
    invalidator = make_invalidator(leases, gateways)
    change = asyncio.ensure_future(invalidator.tell([A]))
    await asyncio.sleep(0.01)
    await invalidator.close()
    with pytest.raises(asyncio.CancelledError):
        await change
