"""Tasks in containers: the command lines of all engines, and a real engine where one can run."""

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from contained_programs import IMAGE, count, failing, inside
from own_runs import open_run

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.workflow import container, mpi, task, use_run, wait_on
from continuum.workflow.kinds.arguments import Arguments
from continuum.workflow.kinds.containers import ContainerBox, find_engine
from continuum.workflow.kinds.descriptions import Container, Use

LIMIT_S = 60


def boxed(engine, folder, command=("grep", "-c", "x"), options=""):
    made = Container(engine=engine, image="image:1", options=options)
    box = ContainerBox(made, f"/usr/bin/{engine.lower()}", "name-1", [folder], folder)
    return box.wrap(list(command))


@pytest.mark.parametrize("engine", ["DOCKER", "PODMAN"])
def test_an_engine_like_docker_gets_folders_options_image_and_command(tmp_path, engine):
    line = boxed(engine, tmp_path, options="--network=none --cpus 1")
    assert line[:4] == [f"/usr/bin/{engine.lower()}", "run", "--rm", "--name=name-1"]
    assert f"--volume={tmp_path}:{tmp_path}" in line
    assert f"--workdir={tmp_path}" in line
    assert line[-7:] == ["--network=none", "--cpus", "1", "image:1", "grep", "-c", "x"]


@pytest.mark.parametrize("engine", ["SINGULARITY", "APPTAINER"])
def test_an_engine_like_singularity_executes_in_an_image(tmp_path, engine):
    line = boxed(engine, tmp_path, options="--nv")
    bind = f"{tmp_path}:{tmp_path}"
    assert line == [
        *(f"/usr/bin/{engine.lower()}", "exec", "--bind", bind, "--pwd", str(tmp_path)),
        *("--nv", "image:1", "grep", "-c", "x"),
    ]


def test_udocker_gets_no_option_that_it_does_not_know(tmp_path):
    line = boxed("UDOCKER", tmp_path)
    assert line[-4:] == ["image:1", "grep", "-c", "x"]
    assert not any(word.startswith(("--entrypoint", "--interactive", "--user")) for word in line)


def test_the_folders_of_files_and_of_what_they_link_to_are_mounted(tmp_path):
    from continuum.workflow.kinds.containers import _mounts  # noqa: PLC0415 - the one place to see them all

    (tmp_path / "store").mkdir()
    (tmp_path / "task").mkdir()
    (tmp_path / "store" / "real").touch()
    (tmp_path / "task" / "link").symlink_to(tmp_path / "store" / "real")
    given = Arguments(lambda text: None, {"text": Use(is_file=True)}, (str(tmp_path / "task" / "link"),), {})
    assert _mounts(given, [tmp_path / "work"]) == [tmp_path / "store", tmp_path / "task", tmp_path / "work"]


def test_an_engine_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotFoundError, match="APPTAINER is not installed"):
        find_engine("APPTAINER")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: container(engine="CHROOT", image="x"), "CHROOT"),
        (lambda: container(engine="DOCKER"), "no image"),
    ],
)
def test_a_container_that_cannot_be_is_refused(wrong, says):
    with pytest.raises(InvalidInputError, match=says):
        wrong()


def test_ranks_start_inside_of_a_container_that_has_a_network_of_its_own():
    decorated = container(engine="DOCKER", image="x")(mpi(binary="a", processes=2)(task()(lambda: None)))
    assert decorated.kind.container.engine == "DOCKER"
    assert decorated.needs_of((), {}).computing_units == 2


# ---- a real engine ----


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    """Podman with an image made of this machine's own Python, told to do with few rights."""
    if shutil.which("podman") is None:
        pytest.skip("Debian's podman is not installed")
    folder = tmp_path_factory.mktemp("podman")
    settings = folder / "containers.conf"
    settings.write_text(
        f'[engine]\nruntime = "{"runc" if shutil.which("runc") else "crun"}"\n'
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\nnetns = "none"\n'
    )
    patch = pytest.MonkeyPatch()
    patch.setenv("CONTAINERS_CONF", str(settings))
    try:
        _import_image(folder)
        tried = subprocess.run(
            ["podman", "run", "--rm", IMAGE, "python3", "-c", "import sys; print(sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if tried.stdout.strip() != str(sys.version_info[:2]):
            pytest.skip(f"podman cannot run here: {tried.stderr.strip()[-200:]}")
        yield
    finally:
        subprocess.run(["podman", "rmi", "--force", IMAGE], capture_output=True, timeout=LIMIT_S, check=False)
        patch.undo()


def _import_image(folder: Path) -> None:
    """Make an image of Debian's Python, its libraries and a few programs."""
    python = Path("/usr/bin/python3").resolve()
    programs = [python, Path("/usr/bin/grep").resolve()]
    if not all(each.exists() for each in programs):
        pytest.skip("this is no Debian with python3 in /usr/bin")
    libraries = set()
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        libraries |= {word for word in listed.split() if word.startswith("/")}
    archive = folder / "image.tar"
    with tarfile.open(archive, "w", dereference=True) as image:
        image.add(python, "usr/bin/python3")
        image.add(programs[1], "usr/bin/grep")
        for library in sorted(libraries):
            image.add(library, library.lstrip("/"))
        image.add(f"/usr/lib/{python.name}", f"usr/lib/{python.name}", filter=_needed)
        entry = tarfile.TarInfo("made-for-tests")
        entry.size = 2
        image.addfile(entry, io.BytesIO(b"ok"))
    subprocess.run(["podman", "import", archive, IMAGE], capture_output=True, timeout=LIMIT_S, check=True)


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    is_left_out = any(part in {"__pycache__", "test", "idlelib"} for part in Path(entry.name).parts)
    return None if is_left_out else entry


@pytest.mark.usefixtures("podman")
def test_programs_and_functions_run_in_a_real_container(tmp_path):
    text = tmp_path / "text"
    text.write_text("one\ntwo\none\n")
    run = open_run()
    try:
        with use_run(run):
            assert wait_on(count("one", str(text))) == 0
            assert wait_on(count("six", str(text))) == 1
            values = [1]
            assert wait_on(inside(values, str(text))) == "ok"
            assert wait_on(values) == [1, 12]
            with pytest.raises(Exception, match="out of a container"):
                wait_on(failing())
    finally:
        run.driver.close()
    left = subprocess.run(
        ["podman", "ps", "--all", "--quiet", "--filter", "name=continuum-"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert left.stdout == ""
