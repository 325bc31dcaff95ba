"""Directories as parameters: versions like files, whatever is in them."""

import data_programs as programs
import pytest

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.workflow import TaskFailedError, delete_file, wait_on, wait_on_directory

pytestmark = pytest.mark.timeout(60)


def test_directories_follow_their_versions(either_way, tmp_path):
    folder = tmp_path / "made"
    programs.make_folder(folder, ["a.txt", "deep/er/b.txt"])
    if not (folder / "a.txt").exists():  # plain Python would see what the task below leaves
        name, before = wait_on(programs.list_folder(folder))
        assert name == "made"
        assert before == ["a.txt", "deep", "deep/er", "deep/er/b.txt", "link", "mine alone"]
    programs.add_to_folder(folder, "c.txt", "x" * 100_000)
    wait_on_directory(folder)
    assert (folder / "c.txt").stat().st_size == 100_000
    assert (folder / "link").read_text() == "a.txt"
    assert (folder / "deep" / "er" / "b.txt").read_text() == "deep/er/b.txt"
    (folder / "program.txt").touch()
    assert "program.txt" in wait_on(programs.list_folder(str(folder) + "/"))[1]


def test_what_a_task_does_to_its_input_is_its_own_business(run, tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "run.sh").write_text("true")
    (tmp_path / "given" / "run.sh").chmod(0o755)
    first = programs.list_folder(tmp_path / "given")
    second = programs.list_folder(tmp_path / "given")
    assert wait_on(first) == wait_on(second) == ("given", ["mine alone", "run.sh"])
    programs.add_to_folder(tmp_path / "given", "more", "")
    wait_on_directory(tmp_path / "given")
    assert (tmp_path / "given" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "given" / "mine alone").exists()


def test_a_deleted_directory_is_gone(run, tmp_path):
    folder = tmp_path / "made"
    programs.make_folder(folder, ["a"])
    wait_on_directory(folder)
    assert delete_file(folder)
    assert not folder.exists()


def test_a_directory_that_is_not_there_is_refused_at_the_call(run, tmp_path):
    with pytest.raises(NotFoundError, match=r"the directory .*nothing"):
        programs.list_folder(tmp_path / "nothing")
    with pytest.raises(InvalidInputError, match="COLLECTION_FILE_IN"):
        programs.list_folder("s3://bucket/prefix/")


def test_a_directory_that_cannot_be_kept_fails_its_task(run, tmp_path):
    programs.make_no_folder(tmp_path / "never")
    with pytest.raises(TaskFailedError, match="did not make its directory"):
        wait_on_directory(tmp_path / "never")
    (tmp_path / "links").mkdir()
    programs.link_out(tmp_path / "links")
    with pytest.raises(TaskFailedError, match="no link to something inside"):
        wait_on_directory(tmp_path / "links")
