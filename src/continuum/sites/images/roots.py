"""The lowest layer as a folder: Debian's Python and what it needs, without a package manager.

What a package's scripts would have done is done here: the links of the merged /usr, the bundle of
authorities, the links of busybox, users, byte code. `status.d` and `os-release` tell scanners (Trivy, Grype)
which packages of which Debian are in it. The interpreter of the folder runs where it lies, through its own
loader, and does whatever its version decides: byte code, wheels, compression. So the building machine needs
Linux on the same architecture, and any Python that continuum runs on.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from continuum.model.errors import UnavailableError
from continuum.sites.images import debian
from continuum.sites.images.debian import DebianLock

USER_ID = 65532  # "nonroot" of the distroless images, which policies of clusters know
PYTHON = "python3.11"
LOADERS = {"x86_64": "ld-linux-x86-64.so.2"}
STATE_FOLDER = "var/lib/continuum"
RUN_TIMEOUT_S = 1200.0

_LIBRARY = f"usr/lib/{PYTHON}"
LEFT_OUT = (
    "usr/share/man/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/info/",
    "usr/share/bug/",
    "usr/share/binfmts/",
    "usr/share/python3/",
    "usr/lib/x86_64-linux-gnu/gconv/",  # the tables of iconv; Python has its own
    *(
        f"{_LIBRARY}/{part}/"
        for part in ("test", "lib2to3", "pydoc_data", "ensurepip", "idlelib", "turtledemo")
    ),
    # modules whose libraries are not here: line editing, terminals, databases of old
    *(f"{_LIBRARY}/lib-dynload/{part}." for part in ("readline", "_curses", "_curses_panel", "_dbm", "nis")),
    *(f"{_LIBRARY}/lib-dynload/{part}" for part in ("_test", "_ctypes_test", "_xx", "ossaudiodev")),
)

ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    f"continuum:x:{USER_ID}:{USER_ID}:continuum:/{STATE_FOLDER}:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": f"root:x:0:\ncontinuum:x:{USER_ID}:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "etc/debian_version": "12\n",
    "usr/lib/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n'
    'VERSION_ID="12"\nVERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n',
}


class ProgramFailedError(UnavailableError):
    """A program of the image that runs on the building machine failed; `said` is all that it said."""

    def __init__(self, program: str, status: int, said: str) -> None:
        super().__init__(f"{program} of the image ended with {status}: {said[-2000:]}")
        self.said = said


def make_base(folder: Path, lock: DebianLock, cache: Path, *, mirror: str = "") -> None:
    """Fill `folder` with the base of the image."""
    for name in debian.MERGED:
        (folder / "usr" / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(f"usr/{name}")
    for package in lock.packages:
        if package.use == "base":
            file = debian.fetch_package(package, lock, cache, mirror=mirror)
            control = debian.unpack_package(file, folder, is_left_out)
            _write(folder / "var/lib/dpkg/status.d" / package.name, _format_status(control))
    for name, text in ACCOUNTS.items():
        _write(folder / name, text)
    (folder / "etc/os-release").symlink_to("../usr/lib/os-release")
    for name in ("tmp", "proc", "sys", "dev", "run", "root", STATE_FOLDER):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "usr/bin/python3").symlink_to(PYTHON)
    (folder / "usr/bin/python").symlink_to("python3")
    _bundle_authorities(folder)
    _link_busybox(folder)
    compile_all(folder, folder, _LIBRARY)


def is_left_out(name: str) -> bool:
    """Whether the path `name` of a package does not go into the image."""
    if name.startswith("usr/share/doc/"):
        return not name.endswith("/copyright")  # licences ask for it
    return f"{name}/".startswith(LEFT_OUT) or name.startswith(LEFT_OUT) or name.endswith(".a")


def run_python(base: Path, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str:
    """Run the interpreter in `base` with `arguments`; return what it printed."""
    return _run(base, base / "usr/bin" / PYTHON, ("-s", "-P", *arguments), environment or {})


def compile_all(base: Path, folder: Path, below: str) -> None:
    """Write byte code for all modules in `folder/below`; it is believed without a look at the source."""
    arguments = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
    run_python(base, (*arguments, "-s", str(folder), "-p", "/", str(folder / below)))


def _run(base: Path, program: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    machine = platform.machine()
    loader = LOADERS.get(machine)
    if loader is None:
        raise UnavailableError(
            f"images cannot be built on {machine}", hint=f"build on one of: {', '.join(LOADERS)}"
        )
    libraries = base / "usr/lib" / f"{machine}-linux-gnu"
    argv = (str(libraries / loader), "--library-path", str(libraries), str(program), *arguments)
    own = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        argv, env=own | dict(environment), capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise ProgramFailedError(program.name, done.returncode, (done.stderr or done.stdout).strip())
    return done.stdout


def _bundle_authorities(folder: Path) -> None:
    certificates = sorted((folder / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = "".join(each.read_text() for each in certificates)
    _write(folder / "etc/ssl/certs/ca-certificates.crt", bundle)
    (folder / "usr/lib/ssl").mkdir(parents=True, exist_ok=True)
    link = folder / "usr/lib/ssl/cert.pem"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/ssl/certs/ca-certificates.crt")
    shutil.rmtree(folder / "usr/share/ca-certificates")


def _link_busybox(folder: Path) -> None:
    for line in _run(folder, folder / "usr/bin/busybox", ("--list-full",), {}).splitlines():
        link = folder / debian.merge_path(line)
        if not os.path.lexists(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("/usr/bin/busybox")


def _format_status(control: str) -> str:
    return control.rstrip("\n").replace("\n", "\nStatus: install ok installed\n", 1) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
