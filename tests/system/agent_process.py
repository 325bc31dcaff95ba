"""An agent's task side as a process of its own: `python agent_process.py SETTINGS`, until SIGTERM."""

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

import msgspec

from continuum.backbone import Backbone, BackboneSettings
from continuum.security import identity_files
from continuum.store import ObjectClient
from continuum.workflow.serving import TaskService


async def main(settings: dict) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    home = Path(settings["home"])
    backbone = await Backbone.connect(
        msgspec.convert(settings["backbone"], BackboneSettings, dec_hook=lambda kind, text: kind(text)),
        wait_s=15.0,
    )
    async with ObjectClient(*settings["store"]) as objects:
        service = TaskService(
            site=settings["site"],
            identity=identity_files(home, f"agent.{settings['site']}"),
            backbone=backbone,
            objects=objects,
            data_folder=home / "data" / settings["site"],
            log_folder=home / "logs" / settings["site"],
            computing_units=2,
            data_limit_bytes=settings.get("data_limit_bytes", 0),
            driver_silence_limit_s=settings.get("driver_silence_limit_s", 20.0),
        )
        service.let_in(frozenset(settings.get("let_in", ("driver",))))
        await service.start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()
        await service.stop()
    await backbone.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(json.loads(sys.argv[1])))
