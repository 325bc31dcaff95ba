"""Objects that tasks write, in two steps, so that they are written once whatever fails.

A site *stages* what a task wrote: it brings the bytes into its store as an upload that is not completed,
which nobody can see. The driver, the only one who knows which try of a task counts, remembers that and
*completes* the upload; gateways do that once however often they are asked. What tries that were overtaken
have staged is aborted: by their site when the driver says so, or when the run ends there.

Not promised: that several objects of one task appear at the same instant. An agent that is killed between
staging and reporting leaves an upload behind, which the store ends when nobody has touched it for long.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path

from continuum.model.errors import ContinuumError, NotFoundError, UnavailableError
from continuum.store import ObjectClient, StagedUpload
from continuum.workflow.messages import ObjectName, OutputsCompleted, Staged

COMPLETE_PATIENCE_S = 120.0
_AGAIN_AFTER_S = 0.5
_AT_ONCE = 8


async def stage_object(objects: ObjectClient, name: ObjectName, path: Path) -> Staged:
    """Stage a file as an object, and make its bucket if it is missing. Raises `ContinuumError`."""
    try:
        upload = await objects.stage(name.bucket, name.key, path)
    except NotFoundError as problem:
        if problem.code != "NoSuchBucket":
            raise
        await objects.ensure_bucket(name.bucket)
        upload = await objects.stage(name.bucket, name.key, path)
    return Staged(name, upload.upload_id, upload.parts)


async def completed(work: Awaitable[None], task_id: int, attempt: int) -> OutputsCompleted:
    """Wait until objects of a task are completed, and say how it went."""
    try:
        await work
    except UnavailableError as problem:
        return OutputsCompleted(task_id=task_id, attempt=attempt, problem=str(problem), is_unknown=True)
    except ContinuumError as problem:
        return OutputsCompleted(task_id=task_id, attempt=attempt, problem=str(problem))
    return OutputsCompleted(task_id=task_id, attempt=attempt)


async def are_completed(objects: ObjectClient, staged: Sequence[Staged]) -> bool:
    """Complete objects; return False if something of them is gone. Raises `UnavailableError`."""
    answer = await completed(complete_objects(objects, staged), 0, 0)
    if answer.is_unknown:
        raise UnavailableError(answer.problem, hint="is the continuum up? `continuum status` tells")
    return not answer.problem


async def complete_objects(
    objects: ObjectClient, staged: Sequence[Staged], *, patience_s: float = COMPLETE_PATIENCE_S
) -> None:
    """Let what was staged be objects; again while the store does not answer, because then nobody knows.

    Raises `ContinuumError`: `UnavailableError` if it never answered, anything else if it refused.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    slots = asyncio.Semaphore(_AT_ONCE)

    async def complete(each: Staged) -> None:
        async with slots:
            await _complete_object(objects, each, deadline)

    answers = await asyncio.gather(*map(complete, staged), return_exceptions=True)
    problems = [answer for answer in answers if isinstance(answer, BaseException)]
    if problems:  # that nobody knows how it went outweighs all else
        raise next((each for each in problems if isinstance(each, UnavailableError)), problems[0])


async def _complete_object(objects: ObjectClient, staged: Staged, deadline: float) -> None:
    name, upload = staged.name, StagedUpload(staged.upload_id, staged.parts)
    while True:
        try:
            await objects.complete(name.bucket, name.key, upload)
        except UnavailableError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_AGAIN_AFTER_S)
        else:
            return
