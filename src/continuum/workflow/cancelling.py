"""Cancelling a run from elsewhere: another terminal of its machine, or another machine of the continuum.

The owner of the continuum may cancel every run, other users their own: the message is signed in the role of
a driver, and verified by the run's own. What the run then does is what it does after Ctrl-C (by SIGTERM: a
driver that a shell has put into the background may not hear SIGINT). On the machine of the driver a signal
does, without a continuum too.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import AccessDeniedError, ConflictError, NotFoundError, UnavailableError
from continuum.security import IdentityFiles, Signer, Verifier
from continuum.sites import Home
from continuum.workflow import posting
from continuum.workflow.journals import RUNNING, WAITING, RunSummary

log = logging.getLogger(__name__)

DRIVER_ROLE = "driver"
OWNER = "driver"
ANSWER_WITHIN_S = 5.0


class CancelRun(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of the continuum, or of the run, to its driver: end it. Answer: `Noted`."""

    run_id: str


def cancel_subject(run_id: str) -> str:
    """Return where a run's driver answers `CancelRun`."""
    return f"run.{run_id}.cancel"


async def listen(backbone: Backbone, identity: IdentityFiles, run_id: str, then: Callable[[], None]) -> None:
    """Call `then` when somebody who may cancels the run."""
    verifier = Verifier(identity.ca_file, audience=posting.audience_of_run(run_id))

    async def answer(raw: msgspec.Raw) -> posting.Noted:
        try:
            message, verified = posting.open_sealed(verifier, raw, CancelRun, role=DRIVER_ROLE)
        except AccessDeniedError as problem:
            log.warning("refused to cancel the run: %s", problem)
            raise
        if verified.signer not in {OWNER, identity.name}:
            raise AccessDeniedError(f"the run belongs to {identity.name}, not to {verified.signer}")
        if message.run_id != run_id:
            raise AccessDeniedError(f"{verified.signer} cancelled another run")
        log.warning("%s cancels the run", verified.signer)
        then()
        return posting.Noted()

    await backbone.serve(cancel_subject(run_id), msgspec.Raw, answer)


def interrupt_this_process() -> None:
    """Let the main thread end the run as after Ctrl-C."""
    os.kill(os.getpid(), signal.SIGTERM)


def cancel_here(summary: RunSummary) -> None:
    """Cancel a run that this machine drives. Raises `ConflictError` if it has ended."""
    if summary.state not in {RUNNING, WAITING}:
        raise ConflictError(f"the run {summary.run_id} is not running: it is {summary.state}")
    try:
        os.kill(summary.driver_pid, signal.SIGTERM)
    except ProcessLookupError:
        raise ConflictError(f"the run {summary.run_id} has just ended") from None
    except PermissionError:
        raise AccessDeniedError(
            f"the process {summary.driver_pid} of the run {summary.run_id} belongs to somebody else"
        ) from None


def cancel_anywhere(home: Home, run_id: str) -> None:
    """Cancel a run that another machine of the continuum drives; blocks until its driver has heard it.

    Raises `NotFoundError` if no driver answers for the run.
    """
    signer = Signer(home.identity(home.driver))

    async def ask() -> None:
        backbone = await Backbone.connect(home.backbone_settings(home.driver))
        try:
            sealed = posting.seal(signer, CancelRun(run_id=run_id), posting.audience_of_run(run_id))
            await backbone.request(cancel_subject(run_id), sealed, posting.Noted, timeout_s=ANSWER_WITHIN_S)
        finally:
            await backbone.close()

    try:
        asyncio.run(ask())
    except UnavailableError as problem:
        raise NotFoundError(
            f"no driver answers for the run {run_id}: {problem.message}",
            hint="`continuum run list` shows what runs",
        ) from problem
