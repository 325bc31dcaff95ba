"""Carrying out a schedule: kill, pause and cut, and heal; every fault is noted with its times."""

import asyncio
import signal
import time

from benchmarks.chaos.records import Fault
from benchmarks.chaos.schedules import CUT, KILL, Harm, Round
from benchmarks.chaos.worlds import World, signal_process


class Nemesis:
    """Harms a world. `faults` are those that were carried out."""

    def __init__(self, world: World, rounds: list[Round]) -> None:
        self._world = world
        self._rounds = rounds
        self.faults: list[Fault] = []

    async def run(self, started_s: float) -> None:
        """Carry out the schedule, counted from `started_s` (monotonic); heal whatever happens."""
        for each in self._rounds:
            await asyncio.sleep(max(0.0, started_s + each.at_s - time.monotonic()))
            await asyncio.gather(*(self._harm(harm) for harm in each.harms))

    async def _harm(self, harm: Harm) -> None:
        began_s = time.monotonic()
        if harm.kind == CUT:
            await self._cut(harm)
        elif harm.kind == KILL:
            for name in harm.victims:
                await asyncio.to_thread(signal_process, self._world, name, signal.SIGKILL)
        else:
            await self._pause(harm)
        fault = Fault(kind=harm.kind, victims=harm.victims, began_s=began_s, healed_s=time.monotonic())
        self.faults.append(fault)
        print(f"  {fault.name}: {fault.healed_s - began_s:.1f} s", flush=True)

    async def _pause(self, harm: Harm) -> None:
        stopped = [
            await asyncio.to_thread(signal_process, self._world, name, signal.SIGSTOP)
            for name in harm.victims
        ]
        try:
            await asyncio.sleep(harm.lasts_s)
        finally:
            for name, pid in zip(harm.victims, stopped, strict=True):
                found = self._world.status().get(name)
                if pid and found is not None and found.pid == pid:  # else it was replaced meanwhile
                    signal_process(self._world, name, signal.SIGCONT)

    async def _cut(self, harm: Harm) -> None:
        for link in harm.victims:
            self._world.set_link(link, is_up=False)
        try:
            await asyncio.sleep(harm.lasts_s)
        finally:
            for link in harm.victims:
                self._world.set_link(link, is_up=True)
