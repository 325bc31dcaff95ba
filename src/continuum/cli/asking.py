"""Asking the services of a running continuum over its backbone, from a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from continuum.backbone import Backbone
from continuum.model.errors import NotFoundError
from continuum.sites import Home

Answer = TypeVar("Answer")

IDENTITY = "admin"


def ask(home: Home, question: Callable[[Backbone], Awaitable[Answer]]) -> Answer:
    """Return what `question` returns when it is given a connection to the backbone of `home`.

    Raises `BackboneUnavailableError` if the continuum is not up, `NotFoundError` if it never was.
    """
    try:
        settings = home.backbone_settings(IDENTITY)
    except NotFoundError as problem:
        raise NotFoundError(
            f"there is no continuum in {home.path}", hint="`continuum up` starts one; --home names another"
        ) from problem

    async def run() -> Answer:
        backbone = await Backbone.connect(settings)
        try:
            return await question(backbone)
        finally:
            await backbone.close()

    return asyncio.run(run())
