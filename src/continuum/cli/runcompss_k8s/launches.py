"""What a command line of `runcompss-k8s` asks for, as plain data, and how its values are read.

Pure: nothing here looks at a cluster, a file or the environment.
"""

import re
from collections.abc import Callable

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import parse_size
from continuum.model.requesting import parse_volume

GB = 1e9
TRUE = frozenset(("true", "yes", "on", "1"))
FALSE = frozenset(("false", "no", "off", "0", "none"))
MOST_WORKERS = 1000
MOST_UNITS = 1024

_WORKERS = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?(?::([0-9]{1,5}))?")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_LIST = re.compile(r"[\s,]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Launch(msgspec.Struct, kw_only=True):
    """A run on a cluster. What is 0, None or empty was not said: the site decides.

    `least` and `most` workers follow the queue; `is_fixed`: there are `most` from the beginning. `extra` is
    how many may come on top (COMPSs' elasticity). `words` are for `continuum run`, which drives the program
    here or in the cluster (`in_cluster`). `attach` names a run that goes on instead of a program.
    """

    app: str = ""
    arguments: list[str] = []
    words: list[str] = []
    notes: list[str] = []
    python_path: list[str] = []
    scripts: list[str] = []
    is_debug: bool = False
    wall_clock_s: float = 0.0

    home: str = ""
    site: str = ""
    context: str = ""
    kubeconfig: str = ""
    namespace: str = ""
    in_cluster: bool = True

    least: int | None = None
    most: int | None = None
    extra: int = 0
    idle_s: float | None = None
    units: int = 0
    memory_bytes: int = 0
    image: str = ""
    context_dir: str = ""
    profile: str = ""
    environment: dict[str, str] = {}
    volumes: list[str] = []
    files: list[str] = []
    driver_units: int = 0
    driver_memory_bytes: int = 0

    name: str = ""
    attach: str = ""
    is_detached: bool = False
    is_dry_run: bool = False
    is_verbose: bool = False
    is_quiet: bool = False
    as_json: bool = False
    wait_s: float = 300.0

    def words_of_run(self) -> list[str]:
        """Return the words for `continuum run`, without the program."""
        options = {
            "--name": self.name,
            "--site": self.site,
            "--workers": self.workers,
            "--worker-units": str(self.units or ""),
            "--worker-memory": str(self.memory_bytes or ""),
            "--image": self.image,
            "--profile": self.profile,
        }
        words = [word for name, value in options.items() if value for word in (name, value)]
        words += [word for volume in self.volumes for word in ("--volume", volume)]
        words += [word for pair in self.environment.items() for word in ("--env", "=".join(pair))]
        return [*words, *(["--quiet"] if self.is_quiet else []), *self.words]

    @property
    def workers(self) -> str:
        """The numbers as `continuum run --workers` takes them; empty: not said."""
        if self.least is None and self.most is None:
            return ""
        most = self.most if self.most is not None else max(self.least or 0, 1)
        least = min(self.least, most) if self.least is not None else min(1, most)
        limits = f"{least}-{most + self.extra}"
        return f"{limits}:{self.idle_s:g}" if self.idle_s is not None else limits


Take = Callable[[Launch, str, str], None]  # a launch, the option's name, its value


def take_workers(launch: Launch, name: str, value: str) -> None:
    """`2`: always two; `1-4`: as many as there is work for; `0-4:60`: idle ones go after 60 s."""
    found = _WORKERS.fullmatch(value)
    if found is None:
        raise InvalidInputError(
            f"{name}={value} is no number of workers",
            hint="as in 2, 1-4, or 0-4:60 (idle ones go after 60 s)",
        )
    least, most, idle_s = found.groups()
    launch.least, launch.most = int(least), int(most or least)
    if launch.most < launch.least:
        raise InvalidInputError(f"{name}={value}: the second number is smaller than the first")
    _check_most(name, launch.most)
    launch.idle_s = float(idle_s) if idle_s else launch.idle_s


def take_least(launch: Launch, name: str, value: str) -> None:
    """So many workers stay, whatever there is to do."""
    launch.least = _whole(name, value, 0)
    _check_most(name, launch.least)


def take_most(launch: Launch, name: str, value: str) -> None:
    """There are never more workers."""
    launch.most = _whole(name, value, 1)
    _check_most(name, launch.most)


def take_extra(launch: Launch, name: str, value: str) -> None:
    """So many more workers than said may come."""
    launch.extra = _whole(name, value, 0)
    _check_most(name, launch.extra)


def take_units(launch: Launch, name: str, value: str) -> None:
    """Computing units of one worker; a list of COMPSs has to hold one number only."""
    launch.units = _units(name, value)


def take_driver_units(launch: Launch, name: str, value: str) -> None:
    """Computing units of the driver's pod."""
    launch.driver_units = _units(name, value)


def take_memory(launch: Launch, name: str, value: str) -> None:
    """Memory of one worker; a bare number is in GB."""
    launch.memory_bytes = _memory(name, value)


def take_driver_memory(launch: Launch, name: str, value: str) -> None:
    """Memory of the driver's pod."""
    launch.driver_memory_bytes = _memory(name, value)


def take_variable(launch: Launch, name: str, value: str) -> None:
    """`NAME=VALUE`, for the program and its tasks."""
    variable, equals, text = value.partition("=")
    if not equals or not _VARIABLE.fullmatch(variable):
        raise InvalidInputError(f"{name} {value} says nothing", hint=f"write {name} NAME=VALUE")
    launch.environment[variable] = text


def take_deploy_mode(launch: Launch, name: str, value: str) -> None:
    """Where the program itself runs."""
    if value not in {"cluster", "client"}:
        raise InvalidInputError(
            f"{name}={value} is not known",
            hint="cluster: the program runs in a pod; client: it runs here, its tasks in the cluster",
        )
    launch.in_cluster = value == "cluster"


def take_in_cluster(launch: Launch, name: str, value: str) -> None:
    """The same as yes or no."""
    launch.in_cluster = parse_truth(name, value)


def take_master(launch: Launch, name: str, value: str) -> None:
    """Spark's `--master k8s://…`: which cluster is said by `--context`."""
    if not value.startswith("k8s://"):
        raise InvalidInputError(
            f"{name}={value} is not a Kubernetes cluster",
            hint="--context names one of your kubeconfig; `continuum run` runs programs elsewhere",
        )
    launch.notes.append(f"{name} changes nothing: the cluster is that of --context or of the site")


def take_wait(launch: Launch, name: str, value: str) -> None:
    """For how long the driver's pod may take to start."""
    if not _PLAIN.fullmatch(value) or not float(value):
        raise InvalidInputError(f"{name}={value} is no number of seconds")
    launch.wait_s = float(value)


def take_files(launch: Launch, name: str, value: str) -> None:  # noqa: ARG001 - as all of them
    """Files and folders beside the program that go along, with commas."""
    launch.files += [each for each in value.split(",") if each]


def take_volume(launch: Launch, name: str, value: str) -> None:
    """A claim, a ConfigMap or an empty folder in driver and workers."""
    if value.startswith("host"):
        raise InvalidInputError(
            f"{name}={value}: folders of machines are not mounted into pods of runs",
            hint="a claim on a volume of kind local or NFS does the same: claim:NAME:/PATH",
        )
    parse_volume(value)
    launch.volumes.append(value)


def take_text(field: str) -> Take:
    """Return what puts a text into a field."""

    def take(launch: Launch, name: str, value: str) -> None:
        if not value:
            raise InvalidInputError(f"{name} needs a value")
        setattr(launch, field, value)

    return take


def take_truth(field: str) -> Take:
    """Return what puts yes or no into a field."""

    def take(launch: Launch, name: str, value: str) -> None:
        setattr(launch, field, parse_truth(name, value))

    return take


def parse_truth(name: str, value: str) -> bool:
    """Return yes or no. Raises `InvalidInputError`."""
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise InvalidInputError(f"{name}={value} is neither true nor false")


def _whole(name: str, value: str, least: int) -> int:
    if not value.isdecimal() or len(value) > 6 or int(value) < least:  # noqa: PLR2004 - of digits
        raise InvalidInputError(f"{name}={value} must be a whole number, at least {least}")
    return int(value)


def _check_most(name: str, count: int) -> None:
    if count > MOST_WORKERS:
        raise InvalidInputError(f"{name}: {count} workers are too many", hint=f"at most {MOST_WORKERS}")


def _units(name: str, value: str) -> int:
    units = {_whole(name, each, 1) for each in _LIST.split(value.strip())}
    if len(units) > 1:
        raise InvalidInputError(
            f"{name}={value}: workers of different sizes are not made this way",
            hint="the site has a profile for each size, and tasks choose by @constraint",
        )
    found = units.pop()
    if found > MOST_UNITS:
        raise InvalidInputError(f"{name}={value} is too much", hint=f"at most {MOST_UNITS}")
    return found


def _memory(name: str, value: str) -> int:
    plain = _PLAIN.fullmatch(value)
    size_bytes = int(float(value) * GB) if plain else parse_size(value)
    if not 64e6 <= size_bytes <= 64e12:  # noqa: PLR2004 - what one may mean
        raise InvalidInputError(f"{name}={value} is no memory of a worker", hint="4 (GB), 4G, 512M or 4GiB")
    return size_bytes
