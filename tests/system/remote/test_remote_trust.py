"""Whose messages sites and drivers believe."""

import asyncio
import contextlib
import hashlib

import pytest

from continuum.backbone import Backbone
from continuum.model.errors import AccessDeniedError, ContinuumError
from continuum.security import Signer, create_identity
from continuum.workflow import posting
from continuum.workflow.messages import (
    ObjectName,
    RunSpec,
    SiteGone,
)

pytestmark = pytest.mark.system


@contextlib.asynccontextmanager
async def intruder(world, name="driver"):
    async with world.server.connected(name) as backbone:
        yield backbone


def opening(run_id="run-x"):
    run = RunSpec(run_id=run_id, application="evil.py", objects=ObjectName("b", "k"))
    return posting.OpenRun(run=run, code_sha256=hashlib.sha256(b"").hexdigest())


async def ask(backbone: Backbone, message, site="edge"):
    return await backbone.request(f"site.{site}.open", message, posting.RunOpened)


async def test_messages_that_are_not_rightly_signed_are_refused_and_logged(world, tmp_path):
    world.start_agent()
    driver = Signer(create_identity(world.home, "driver", "driver"))
    gateway = Signer(create_identity(world.home, "gateway.edge", "gateway"))
    foreign = Signer(create_identity(tmp_path / "elsewhere", "driver", "driver"))
    audience = posting.audience_of_site("edge")
    refused = [
        ("the message is not signed", opening()),
        ("the message is not signed", b"garbage"),
        ("which may not send", posting.seal(gateway, opening(), audience)),
        ("no certificate of this continuum", posting.seal(foreign, opening(), audience)),
        ("is for 'site.cloud'", posting.seal(driver, opening(), posting.audience_of_site("cloud"))),
        ("stands where", posting.seal(driver, posting.Beat(run_id="run-x"), audience)),
    ]
    async with intruder(world) as backbone:
        for reason, message in refused:
            with pytest.raises(ContinuumError, match=reason):
                await ask(backbone, message)
        good = posting.seal(driver, opening(), audience)
        tampered = bytearray(good.envelope)
        tampered[-600] ^= 1
        with pytest.raises(ContinuumError):
            await ask(backbone, posting.Signed(bytes(tampered)))
        assert (await ask(backbone, good)).computing_units == 2
        with pytest.raises(ContinuumError, match="received before"):
            await ask(backbone, good)
    log = world.agent_log()
    assert all(reason in log for reason, _ in refused)
    assert "received before" in log
    assert "evil.py" in log  # the one that was rightly signed


async def test_a_driver_without_a_right_is_refused(world):
    world.start_agent()
    other = Signer(create_identity(world.home, "driver.other", "driver"))
    async with intruder(world) as backbone:
        with pytest.raises(AccessDeniedError, match="other may not use site edge"):
            await ask(backbone, posting.seal(other, opening(), posting.audience_of_site("edge")))


async def test_a_run_belongs_to_whom_opened_it(world):
    world.start_agent(let_in=["driver", "driver.other"])
    audience = posting.audience_of_site("edge")
    owner = Signer(create_identity(world.home, "driver", "driver"))
    other = Signer(create_identity(world.home, "driver.other", "driver"))
    async with intruder(world) as backbone:
        await ask(backbone, posting.seal(owner, opening(), audience))
        for message in (posting.Beat(run_id="run-x"), posting.CloseRun(run_id="run-x")):
            with pytest.raises(AccessDeniedError, match="belongs to driver"):
                await backbone.request(
                    posting.site_subject("edge", type(message)),
                    posting.seal(other, message, audience),
                    posting.Noted,
                )


async def test_a_driver_refuses_events_of_whoever_is_not_the_site(world):
    world.start_agent()
    await asyncio.to_thread(world.join)
    events = posting.Events(
        run_id=world.run_id, site="edge", number=1, items=(SiteGone(reason="so says somebody"),)
    )
    audience = posting.audience_of_run(world.run_id)
    async with intruder(world, "agent.cloud") as backbone:
        for name, role, reason in (
            ("agent.cloud", "agent", "speaks for site edge"),
            ("gateway.edge", "gateway", "may not send"),
        ):
            signer = Signer(create_identity(world.home, name, role))
            with pytest.raises(ContinuumError, match=reason):
                await backbone.request(
                    posting.events_subject(world.run_id),
                    posting.seal(signer, events, audience),
                    posting.Noted,
                )
    assert world.gone() is None
