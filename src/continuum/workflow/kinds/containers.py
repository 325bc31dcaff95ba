"""Command lines of container engines: the same command, in a container with the task's files in their places.

Files keep their paths: the folders that they lie in are mounted where they are. So nothing on the command
line changes, and links from one folder to another hold. A container has a name of its own and is removed with
the task: an engine with a daemon would else go on with it when the task is cancelled.
"""

import contextlib
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cloudpickle

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.workflow.kinds import calling
from continuum.workflow.kinds.arguments import Arguments
from continuum.workflow.kinds.descriptions import Container

DOCKER_LIKE = {"DOCKER": ("docker", "podman"), "PODMAN": ("podman", "docker")}
SINGULARITY_LIKE = {"SINGULARITY": ("singularity", "apptainer"), "APPTAINER": ("apptainer", "singularity")}
UDOCKER = "UDOCKER"
ENGINES = (*DOCKER_LIKE, *SINGULARITY_LIKE, UDOCKER)
DOCKER_SOCKET = Path("/var/run/docker.sock")
REMOVE_TIMEOUT_S = 10.0
_PASSED_ON = ("COMPSS_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_", "HIP_", "ROCR_", "CONTINUUM_", "OMPI_", "PMI")
_SITE = "/continuum"  # where the container finds what calls a function


class Box:
    """Where a command runs. This one: on the machine itself."""

    is_box = False
    holds_ranks = False

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs `command` there."""
        return list(command)

    def python_command(self, call: Path) -> list[str]:
        """Return the command that calls the function in the file `call`."""
        return [sys.executable, "-P", calling.__file__, str(call)]


class ContainerBox(Box):
    """A container, made for one command."""

    is_box = True

    def __init__(
        self, container: Container, program: str, name: str, mounts: Sequence[Path], working: Path
    ) -> None:
        self._container = container
        self._program = program
        self._name = name
        self._mounts = [*mounts]
        self._working = working
        self._read_only: list[tuple[Path, str]] = []
        self.holds_ranks = container.engine not in SINGULARITY_LIKE

    def python_command(self, call: Path) -> list[str]:
        """As above, with the container's own Python."""
        self._read_only = [
            (Path(calling.__file__).resolve(), f"{_SITE}/calling.py"),
            (Path(cloudpickle.__file__).resolve().parent, f"{_SITE}/cloudpickle"),
        ]
        return ["python3", f"{_SITE}/calling.py", str(call)]

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Return the engine's command line."""
        engine = self._container.engine
        options = shlex.split(self._container.options)
        if engine in SINGULARITY_LIKE:
            return [*self._singularity(), *options, self._container.image, *command]
        return [*self._docker(), *options, self._container.image, *command]

    def _docker(self) -> list[str]:
        line = [self._program, "run", "--rm", f"--name={self._name}"]
        line += [f"--volume={path}:{path}" for path in self._mounts]
        line += [f"--volume={path}:{target}:ro" for path, target in self._read_only]
        line.append(f"--workdir={self._working}")
        line += [f"--env={name}={value}" for name, value in _environment().items()]
        if self._container.engine != UDOCKER:
            line += ["--interactive", "--entrypoint="]
            if os.geteuid() != 0:
                line.append(f"--user={os.geteuid()}:{os.getegid()}")
        return line

    def _singularity(self) -> list[str]:
        binds = [f"{path}:{path}" for path in self._mounts]
        binds += [f"{path}:{target}:ro" for path, target in self._read_only]
        return [self._program, "exec", "--bind", ",".join(binds), "--pwd", str(self._working)]

    def remove(self) -> None:
        """Remove the container if it is still there: only daemons keep one whose command line has ended."""
        if self._container.engine not in DOCKER_LIKE:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [self._program, "rm", "--force", "--volumes", self._name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=REMOVE_TIMEOUT_S,
                check=False,
            )


@contextlib.contextmanager
def open_box(
    container: Container | None, arguments: Arguments, folders: Sequence[Path], working: Path
) -> Iterator[Box]:
    """Give where a task's command runs; a container is gone afterwards. Raises `NotFoundError`."""
    if container is None:
        yield Box()
        return
    name = f"continuum-{secrets.token_hex(8)}"
    box = ContainerBox(container, find_engine(container.engine), name, _mounts(arguments, folders), working)
    has_ended = False
    try:
        yield box
        has_ended = True
    finally:
        if not has_ended:
            box.remove()


def find_engine(engine: str) -> str:
    """Return the path of the program of a container engine, or of one that takes the same command line."""
    names = (DOCKER_LIKE | SINGULARITY_LIKE).get(engine, (engine.lower(),))
    found = {name: path for name in names if (path := shutil.which(name))}
    if "docker" in found and len(found) > 1 and not DOCKER_SOCKET.exists():
        del found["docker"]  # a client without its daemon
    for name in names:
        if name in found:
            return found[name]
    raise NotFoundError(
        f"the container engine {engine} is not installed here",
        hint=f"install {' or '.join(names)}, or name another: {', '.join(ENGINES)}",
    )


def parse_engine(text: str) -> str:
    """Return the name of an engine. Raises `InvalidInputError`."""
    engine = text.upper()
    if engine not in ENGINES:
        raise InvalidInputError(
            f"@container(engine={text!r}): there is no such engine", hint=", ".join(ENGINES)
        )
    return engine


def _mounts(arguments: Arguments, folders: Sequence[Path]) -> list[Path]:
    found = set(folders)
    for path, _ in arguments.paths():
        found.add(path.parent)
        if path.is_symlink():
            found.add(path.resolve().parent)
    return sorted(path for path in found if not any(other in path.parents for other in found))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
