"""What `scripts/prepare` says on a machine that lacks something. Nothing is installed here."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[3]
TOOLS = ("sh", "dirname", "cmp", "cp", "mkdir", "sed", "cat", "echo")


@pytest.fixture
def machine(tmp_path):
    """A project's copy and a PATH with hardly anything on it."""
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(PROJECT / "scripts" / "prepare", folder / "scripts")
    shutil.copytree(PROJECT / "requirements", folder / "requirements")
    shutil.copy(PROJECT / "pyproject.toml", folder)
    path = tmp_path / "bin"
    path.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (path / tool).symlink_to(found)
    return folder, path


def prepare(machine, *groups: str) -> subprocess.CompletedProcess[str]:
    folder, path = machine
    return subprocess.run(
        [folder / "scripts" / "prepare", *groups],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def put_program(machine, name: str, text: str) -> None:
    program = machine[1] / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_a_machine_without_python_is_told_what_to_install(machine):
    done = prepare(machine, "demo")
    assert done.returncode == 1
    assert "Python 3.11 or later" in done.stderr
    assert "sudo apt-get install python3 python3-venv" in done.stderr


def test_an_older_python_is_passed_over_for_a_newer_one_beside_it(machine):
    put_program(machine, "python3", "exit 1")  # what `sys.version_info < (3, 11)` makes of an older one
    put_program(
        machine, "python3.12", f'[ "$1" = -m ] && {{ echo "$0 $*" >&2; exit 7; }}; exec {sys.executable} "$@"'
    )
    done = prepare(machine, "demo")
    assert "python3.12 -m venv --clear .venv" in done.stderr


def test_a_python_without_venv_is_told_which_package_brings_it(machine):
    put_program(machine, "python3", f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    done = prepare(machine, "demo")
    assert done.returncode == 1
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"sudo apt-get install python{version}-venv" in done.stderr


def test_a_group_that_does_not_exist_is_named(machine):
    folder, path = machine
    environment = folder / ".venv" / "bin"
    environment.mkdir(parents=True)
    (environment / "python").symlink_to(sys.executable)
    put_program(machine, "pip", f'echo "pip 1 from {folder}/.venv/lib/python3/site-packages/pip"')
    shutil.move(path / "pip", environment / "pip")
    done = prepare(machine, "nonsense")
    assert done.returncode == 1
    assert "there is no group 'nonsense'" in done.stderr


def test_the_locks_name_no_index_and_give_every_package_a_hash():
    for lock in (PROJECT / "requirements").glob("*.lock"):
        lines = lock.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("--")]
        packages = [number for number, line in enumerate(lines) if "==" in line]
        assert all("--hash=sha256:" in lines[number + 1] for number in packages)


def test_all_locks_of_one_environment_hold_the_same_version_of_a_package():
    versions: dict[str, set[frozenset[str]]] = {}  # with their markers: other Pythons may get other ones
    for lock in (PROJECT / "requirements").glob("*.lock"):
        if lock.stem in {"clients", "dislib", "peers"}:
            continue
        of_lock: dict[str, set[str]] = {}
        for line in lock.read_text().splitlines():
            if "==" in line:
                name, _, rest = line.partition("==")
                of_lock.setdefault(name, set()).add(rest.partition(" ; ")[0].strip(" \\"))
        for name, found in of_lock.items():
            versions.setdefault(name, set()).add(frozenset(found))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    "group", ["demo", "radio", "test", "check", "bench", "lock", "clients", "dislib", "peers"]
)
def test_every_requirement_of_a_group_is_in_its_lock_in_a_version_that_it_allows(group):
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    wanted = [word for word in project["dependency-groups"][group] if isinstance(word, str)]
    if group in {"demo", "test"}:
        wanted += [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
        wanted += project["project"]["optional-dependencies"]["embedded"]
    locked = dict(re.findall(r"^([^=\s]+)==([^\s;]+)", lock_of(group), re.MULTILINE))
    for text in wanted:
        requirement = Requirement(text)
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), text


def lock_of(group: str) -> str:
    return (PROJECT / "requirements" / f"{group}.lock").read_text()
