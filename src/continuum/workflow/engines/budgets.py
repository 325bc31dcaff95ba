"""A site's computing units and memory, shared fairly by the runs that are at work there.

Every run's engine takes units before a worker begins and gives them back when it has nothing left to do. When
not all can have what they want, who holds least goes first; and who holds more than somebody that waits lets
its workers run dry (`should_yield`). Tasks are never interrupted for fairness.
"""

import threading
from collections.abc import Callable, Sequence


class Budget:
    """What a site offers. `memory_bytes` 0: not limited. `devices` are the names of its GPUs."""

    def __init__(self, computing_units: int, memory_bytes: int = 0, devices: Sequence[str] = ()) -> None:
        self.devices = tuple(devices)
        self._free_devices = list(devices)
        self._device_waiters: list[Callable[[], None]] = []
        self.computing_units = computing_units
        self.largest_units = 0  # of one worker, if it is known that several share them
        self.memory_bytes = memory_bytes
        self._free_units = computing_units
        self._free_memory = memory_bytes
        self._shares: list[Share] = []
        self._clock = 0  # counts who began to wait
        self._lock = threading.Lock()

    @property
    def free_units(self) -> int:
        """How many computing units nobody uses now."""
        return self._free_units

    def join(self, on_free: Callable[[], None]) -> "Share":
        """Return a share for one more run; `on_free` is called when it waits and might now get something."""
        share = Share(self, on_free)
        with self._lock:
            self._shares.append(share)
        return share

    def offers(self, units: int, memory_bytes: int) -> bool:
        """Tell whether a task of this size could ever run."""
        return units <= self.computing_units and (not self.memory_bytes or memory_bytes <= self.memory_bytes)

    def try_take(self, share: "Share", units: int, memory_bytes: int) -> bool:
        """Give `share` what it asks for, unless it is not there or somebody poorer waits.

        Who waits for more than is free is not overtaken by the richer: all run dry until it fits.
        """
        with self._lock:
            rivals = [each for each in self._shares if each.waits_since and each is not share]
            place = (share.held_units, share.waits_since or self._clock + 1)
            if not self._fits(units, memory_bytes) or any(rival.place < place for rival in rivals):
                if not share.waits_since:
                    self._clock += 1
                    share.waits_since = self._clock
                return False
            share.waits_since = 0
            share.held_units += units
            share.held_memory += memory_bytes
            self._free_units -= units
            self._free_memory -= memory_bytes
            return True

    def give_back(self, share: "Share", units: int, memory_bytes: int) -> None:
        """Take units and memory back and tell who waits."""
        with self._lock:
            if share not in self._shares:
                return  # all that it had was taken back when it left
            share.held_units -= units
            share.held_memory -= memory_bytes
            self._free_units += units
            self._free_memory += memory_bytes
            waiting = self._waiting()
        for each in waiting:
            if each is not share:
                each.on_free()

    def stop_waiting(self, share: "Share") -> None:
        """`share` wants nothing more for now; whoever stood behind it may go."""
        with self._lock:
            share.waits_since = 0
            waiting = self._waiting()
        for each in waiting:
            each.on_free()

    def try_take_devices(self, count: int, on_free: Callable[[], None]) -> tuple[str, ...] | None:
        """Give so many devices, the first ones; None: `on_free` is called when some are free."""
        with self._lock:
            if count > len(self._free_devices):
                self._device_waiters.append(on_free)
                return None
            taken = tuple(self._free_devices[:count])
            del self._free_devices[:count]
            return taken

    def give_back_devices(self, devices: Sequence[str]) -> None:
        """Take devices back and tell who waits for some."""
        with self._lock:
            self._free_devices = sorted({*self._free_devices, *devices}, key=self.devices.index)
            waiting, self._device_waiters = self._device_waiters, []
        for on_free in waiting:
            on_free()

    def leave(self, share: "Share") -> None:
        """The run is over: what it still holds (tasks that were cut short) is free again."""
        with self._lock:
            share.waits_since = 0
            if share in self._shares:
                self._shares.remove(share)
                self._free_units += share.held_units
                self._free_memory += share.held_memory
                share.held_units = share.held_memory = 0
            waiting = self._waiting()
        for each in waiting:
            each.on_free()

    def should_yield(self, share: "Share") -> bool:
        """Tell whether somebody waits who holds less."""
        if len(self._shares) == 1:
            return False
        with self._lock:
            return any(each.waits_since and each.held_units < share.held_units for each in self._shares)

    def _fits(self, units: int, memory_bytes: int) -> bool:
        return units <= self._free_units and (not self.memory_bytes or memory_bytes <= self._free_memory)

    def _waiting(self) -> list["Share"]:
        return sorted((each for each in self._shares if each.waits_since), key=lambda each: each.place)


class Share:
    """What one run holds of a budget, and what it waits for."""

    __slots__ = ("budget", "held_memory", "held_units", "on_free", "waits_since")

    def __init__(self, budget: Budget, on_free: Callable[[], None]) -> None:
        self.budget = budget
        self.on_free = on_free
        self.held_units = 0
        self.held_memory = 0
        self.waits_since = 0  # on the budget's own clock; 0: does not wait

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among those who wait: who holds least goes first, then who came first."""
        return (self.held_units, self.waits_since)

    def try_take(self, units: int, memory_bytes: int) -> bool:
        """Take units and memory; False: wait for `on_free`."""
        return self.budget.try_take(self, units, memory_bytes)

    def give_back(self, units: int, memory_bytes: int) -> None:
        """Return what was taken."""
        self.budget.give_back(self, units, memory_bytes)

    def stop_waiting(self) -> None:
        """Say that nothing is queued any more."""
        if self.waits_since:
            self.budget.stop_waiting(self)

    def should_yield(self) -> bool:
        """Tell whether to let workers run dry for somebody who holds less."""
        return self.budget.should_yield(self)

    def leave(self) -> None:
        """End it."""
        self.budget.leave(self)
