"""What this machine offers to tasks beyond its cores and memory, as far as it can be seen by looking.

A site's settings come before what is found here: an administrator knows which disks are SSDs, and may offer
fewer GPUs than there are.
"""

import contextlib
import os
import platform
import re
from pathlib import Path

_NVIDIA = re.compile(r"nvidia\d+")
_RENDER = re.compile(r"renderD\d+")
_AMD = Path("/dev/kfd")


def find_gpus() -> int:
    """Return how many GPUs of NVIDIA or AMD have device files here."""
    nvidia = sum(bool(_NVIDIA.fullmatch(name)) for name in _names(Path("/dev")))
    if nvidia or not _AMD.exists():
        return nvidia
    return sum(bool(_RENDER.fullmatch(name)) for name in _names(Path("/dev/dri")))


def name_gpus(count: int) -> tuple[str, ...]:
    """Return the names of so many GPUs: those that we are told to use, else numbers."""
    allowed = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (
        tuple(allowed[:count]) if len(allowed) >= count > 0 else tuple(str(number) for number in range(count))
    )


def find_labels() -> dict[str, str]:
    """Return what can be said of the operating system and the processor, under the names of constraints."""
    labels = {"operating_system_type": platform.system(), "processor_type": "CPU"}
    with contextlib.suppress(OSError):
        system = platform.freedesktop_os_release()
        labels["operating_system_distribution"] = system.get("ID", "")
        labels["operating_system_version"] = system.get("VERSION_ID", "")
    return {name: value for name, value in labels.items() if value}


def find_storage_bytes(folder: Path) -> int:
    """Return how much room there is where tasks keep their data."""
    with contextlib.suppress(OSError):
        room = os.statvfs(folder)
        return room.f_bavail * room.f_frsize
    return 0


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return []
