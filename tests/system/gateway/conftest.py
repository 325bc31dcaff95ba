"""One rig for all tests of gateways; each test begins with all wires mended and all in session."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from rigs import Rig


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("gateways"))
    await rig.start()
    yield rig
    await rig.close()


@pytest_asyncio.fixture(loop_scope="session")
async def rig(shared_rig: Rig) -> AsyncIterator[Rig]:
    await shared_rig.wake()
    yield shared_rig
    await shared_rig.mend()
