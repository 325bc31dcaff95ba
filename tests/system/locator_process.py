"""A hub with nothing but the locator, for tests to kill: `python locator_process.py SETTINGS`."""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from continuum.backbone import Backbone, BackboneSettings
from continuum.store import Locator, LocatorSettings


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    backbone: BackboneSettings
    locator: LocatorSettings


async def main(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    backbone = await Backbone.connect(settings.backbone, wait_s=10)
    locator = Locator(settings.locator)
    await locator.start(backbone)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stopping.wait()
    await locator.stop()
    await backbone.close()


if __name__ == "__main__":
    asyncio.run(
        main(
            msgspec.json.decode(
                Path(sys.argv[1]).read_bytes(), type=Settings, dec_hook=lambda kind, x: kind(x)
            )
        )
    )
