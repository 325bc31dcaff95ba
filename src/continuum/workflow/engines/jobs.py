"""Tasks that have a process of their own: what their engine knows of each, and what the process is told."""

from pathlib import Path

from continuum.workflow.engines.seats import Seat
from continuum.workflow.kinds.bodies import NODES_VARIABLE, THREAD_VARIABLES
from continuum.workflow.kinds.programs import FOLDER_VARIABLE
from continuum.workflow.messages import TaskFailed, TaskSpec, failed_task

DEVICE_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "COMPSS_BINDED_GPUS",
)


class Job:
    """A task that has a process."""

    def __init__(self, task: TaskSpec, seat: Seat, devices: tuple[str, ...], folder: Path) -> None:
        self.task = task
        self.seat = seat
        self.devices = devices
        self.folder = folder
        self.is_announced = False
        self.is_answered = False
        self.kill_at = 0.0


def environment_of(
    task: TaskSpec, folder: Path, devices: tuple[str, ...] | None, nodes: str
) -> dict[str, str]:
    """Return what a task finds in its environment. `devices` None: the site offers none, and hides none."""
    units = str(max(1, task.computing_units))
    environment = dict.fromkeys(THREAD_VARIABLES, units) | {FOLDER_VARIABLE: str(folder)}
    if nodes:
        environment[NODES_VARIABLE] = nodes
    if devices is not None:
        environment |= dict.fromkeys(DEVICE_VARIABLES, ",".join(devices))
    return environment


def ending_of(job: Job) -> TaskFailed:
    """Return that a task was ended, and why."""
    ending = job.seat.ending
    assert ending is not None  # noqa: S101 - somebody said why before this is asked
    return failed_task(job.task, ending.kind, ending.message)
