"""Python packages in the image: the locked dependencies, what a user's requirements add, continuum itself.

pip runs in the image's interpreter, so markers and wheels are chosen for the image and not for the builder.
Only wheels are taken. What is locked comes with its hash; a user's requirements are resolved once, with the
versions of the image as constraints, and kept under the hash of all that decided.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from continuum.model.errors import InvalidInputError, NotFoundError, UnavailableError
from continuum.sites.images.roots import PYTHON, ProgramFailedError, compile_all, run_python

DISTRIBUTION = "extract-continuum"
PACKAGES = f"usr/local/lib/{PYTHON}/dist-packages"
PROGRAMS = "usr/local/bin"
SHEBANG = "#!/usr/bin/python3\n"
WHEEL_TIMEOUT_S = 300.0
PASSED_ON = (
    "PIP_",
    "SSL_",
    "REQUESTS_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)

# Of botocore's 400 services the platform speaks to two.
BOTOCORE_KEPT = frozenset({"s3", "sts"})
CUT = frozenset({"botocore", "sqlalchemy"})
"""What is in the image only in part: requirements that name it get the whole of it."""

LEFT_OUT = (
    "sqlalchemy/testing",
    *(f"sqlalchemy/dialects/{other}" for other in ("mssql", "mysql", "oracle")),
    *("faker", "polyfactory"),  # litestar imports them for made-up examples only
)


def find_requirements() -> Path:
    """Return the lock of the image's Python packages, in an installed continuum or in its source tree."""
    here = Path(__file__)
    for path in (here.with_name("requirements.lock"), here.parents[4] / "requirements" / "image.lock"):
        if path.exists():
            return path
    raise NotFoundError("this installation of continuum lacks the lock of the image's packages")


def install_locked(base: Path, folder: Path, pip: Path, lock: Path) -> None:
    """Install what `lock` names, with its hashes, into the layer `folder`."""
    _pip(base, folder, pip, ("--no-deps", "--require-hashes", "--requirement", str(lock)))
    packages = folder / PACKAGES
    for each in (packages / "botocore" / "data").iterdir():
        if each.is_dir() and each.name not in BOTOCORE_KEPT:
            shutil.rmtree(each)
    for name in LEFT_OUT:
        for path in (packages / name, *packages.glob(f"{name}-*.dist-info")):
            shutil.rmtree(path)
    for tests in [path for path in packages.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests)
    _finish(base, folder)


def install_requirements(
    base: Path, folder: Path, pip: Path, requirements: Path, *, locked: Path, known: Path
) -> None:
    """Install what a user's `requirements` need beside the image's own packages, which lie in `known`."""
    constraints = folder.with_suffix(".constraints")
    constraints.write_text("\n".join(_list_pins(locked)) + "\n")
    arguments = ("--requirement", str(requirements.absolute()), "--constraint", str(constraints))
    try:
        _pip(base, folder, pip, arguments)
    except ProgramFailedError as problem:
        said = [line.removeprefix("ERROR: ") for line in problem.said.splitlines() if "WARNING: " not in line]
        raise InvalidInputError(
            f"what {requirements} names cannot be installed: {' '.join(said)[-1500:]}",
            hint="versions that the image has stay as they are (image.lock), and only wheels are taken",
        ) from problem
    for name in {path.name for path in known.iterdir()}:
        if name.partition("-")[0].partition(".")[0] not in CUT:
            _remove(folder / PACKAGES / name)
    _finish(base, folder)


def install_project(base: Path, folder: Path) -> None:
    """Install continuum as it runs here into the layer `folder`."""
    packages = folder / PACKAGES
    packages.mkdir(parents=True)
    source = Path(__file__).parents[4]
    if (source / "pyproject.toml").exists():
        _unzip(_build_wheel(source, folder.with_suffix(".wheel")), packages)
    else:
        _copy_installed(packages)
    for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
        for path in packages.glob(f"extract_continuum-*.dist-info/{name}"):
            path.unlink()
    _write_programs(folder)
    _finish(base, folder)


def _pip(base: Path, folder: Path, pip: Path, arguments: Iterable[str]) -> None:
    (folder / PACKAGES).mkdir(parents=True, exist_ok=True)
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    fixed = ("install", "--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary=:all:")
    temporary = folder.with_suffix(".pip")
    temporary.mkdir(exist_ok=True)
    run_python(
        base,
        (str(pip / "pip"), *fixed, "--target", str(folder / PACKAGES), *arguments),
        environment=passed | {"TMPDIR": str(temporary), "HOME": str(Path.home())},
    )


def _finish(base: Path, folder: Path) -> None:
    packages = folder / PACKAGES
    programs = packages / "bin"
    if programs.exists():
        _adopt_programs(programs, folder / PROGRAMS)
    for cache in list(packages.rglob("__pycache__")):
        shutil.rmtree(cache)
    for note in packages.glob("*.dist-info/direct_url.json"):
        note.unlink()  # says where the builder had it from
    for record in packages.glob("*.dist-info/RECORD"):
        _shorten_record(record, packages)
    compile_all(base, folder, PACKAGES)


def _shorten_record(record: Path, packages: Path) -> None:
    """Leave of pip's list what is there, without programs: those bore the path of the building machine."""
    lines = record.read_text().splitlines()
    kept = [line for line in lines if (packages / line.partition(",")[0].strip('"')).exists()]
    record.write_text("\n".join(kept) + "\n")


def _adopt_programs(programs: Path, target: Path) -> None:
    """Keep programs that are no Python (`nats-server`), and let scripts name the image's interpreter."""
    target.mkdir(parents=True, exist_ok=True)
    for program in programs.iterdir():
        data = program.read_bytes()
        (target / program.name).write_bytes(name_interpreter(data))
        (target / program.name).chmod(0o755)
    shutil.rmtree(programs)


def name_interpreter(program: bytes) -> bytes:
    """Return a script of pip with the image's interpreter in its head; what is no script of Python as it is.

    pip writes `#!PATH` of one line or, where the path is too long for Linux, three lines of shell.
    """
    first, _, rest = program.partition(b"\n")
    if first == b"#!/bin/sh" and rest.startswith(b"'''exec'"):
        return SHEBANG.encode() + rest.split(b"\n", 2)[2]
    if first.startswith(b"#!") and b"python" in first:
        return SHEBANG.encode() + rest
    return program


def _write_programs(folder: Path) -> None:
    (folder / PROGRAMS).mkdir(parents=True)
    for entry in importlib.metadata.distribution(DISTRIBUTION).entry_points:
        if entry.group == "console_scripts":
            text = f"{SHEBANG}import sys\nfrom {entry.module} import {entry.attr}\nsys.exit({entry.attr}())\n"
            program = folder / PROGRAMS / entry.name
            program.write_text(text)
            program.chmod(0o755)


def _build_wheel(source: Path, folder: Path) -> Path:
    argv = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    done = subprocess.run(
        argv, cwd=source, capture_output=True, text=True, timeout=WHEEL_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise UnavailableError(
            f"the wheel of {source} could not be built: {done.stderr.strip()[-1000:]}",
            hint="in a source tree: scripts/prepare demo",
        )
    return next(folder.glob("*.whl"))


def _unzip(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith("/") or ".." in Path(name).parts:
                raise InvalidInputError(f"{wheel.name} holds the path {name!r}")
        archive.extractall(target)


def _copy_installed(target: Path) -> None:
    for file in importlib.metadata.distribution(DISTRIBUTION).files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(str(file.locate())), target / file)


def _list_pins(lock: Path) -> list[str]:
    lines = (line.partition("\\")[0].strip() for line in lock.read_text().splitlines())
    return [line for line in lines if "==" in line and not line.startswith(("#", "--"))]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
