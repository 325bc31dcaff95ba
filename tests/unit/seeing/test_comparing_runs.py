"""What runs were made of, and what differs between two of them."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import journaled
import msgspec
import pytest
from typer.testing import CliRunner

from continuum.cli.main import cli
from continuum.model import stories
from continuum.model.errors import NotFoundError
from continuum.workflow.journals import Journal
from continuum.workflow.manifests import (
    CODE,
    Facts,
    Item,
    SiteFacts,
    begin_manifest,
    installed_packages,
    list_items,
    read_manifest,
    write_manifest,
)
from continuum.workflow.seeing.comparing import Change, compare_runs


def named(datum: str, name: object, *, is_output: bool = False) -> stories.Named:
    return stories.Named(at=1.0, datum=datum, name=str(name), is_output=is_output)


def make_run(folder: Path, *, source: str = "print(1)", records: Sequence[stories.Record] = ()) -> Path:
    program = folder.with_suffix(".py")
    program.parent.mkdir(exist_ok=True)
    program.write_text(source)
    with Journal(folder) as journal:
        journal.add(records or journaled.records())
        journal.write_summary(msgspec.structs.replace(journaled.SUMMARY, run_id=folder.name))
    begin_manifest(folder, folder.name, program, b"")
    return folder


def test_a_manifest_has_code_versions_and_can_be_read_again(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run1")
    manifest = read_manifest(folder)
    assert manifest.packages["msgspec"] == msgspec.__version__
    assert manifest.python.startswith("3.")
    with zipfile.ZipFile(folder / CODE) as archive:
        assert archive.read("run1.py") == b"print(1)"
    with pytest.raises(NotFoundError, match="has no manifest"):
        read_manifest(tmp_path)


def test_packages_are_known_by_the_folders_that_python_would_import_them_from(tmp_path: Path) -> None:
    for path in ("a/Some_Package-1.2.dist-info", "b/some_package-2.0.dist-info", "b/other-3.dist-info"):
        (tmp_path / path).mkdir(parents=True)
    found = installed_packages([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "none")])
    assert found == {"some-package": "1.2", "other": "3"}


def test_what_was_read_and_written_is_listed_with_checksums(tmp_path: Path) -> None:
    given, made = tmp_path / "given.txt", tmp_path / "made.txt"
    given.write_text("abc")
    made.write_text("")
    records = [
        named("d1v1", given),
        named("d2v1", "s3://data/in"),
        named("d3v1", made, is_output=True),
        named("d3v2", made, is_output=True),
        named("d4v1", "s3://data/gone"),
        named("d5v1", made),
        named("d6v1", tmp_path / "missing", is_output=True),
    ]
    folder = make_run(tmp_path / "run1", records=records)
    asked: list[str] = []

    def look(names: Sequence[str]) -> dict[str, Facts]:
        asked.extend(names)
        return {"s3://data/in": Facts(9, "0a1b", ("edge", "cloud"))}

    items, left_out = list_items(folder, look)
    assert left_out == 0
    assert asked == ["s3://data/in", "s3://data/gone"]
    by_datum = {item.datum: item for item in items}
    assert by_datum["d1v1"].checksum.startswith("sha256:ba7816bf")
    assert (by_datum["d2v1"].checksum, by_datum["d2v1"].sites) == ("etag:0a1b", ("edge", "cloud"))
    assert by_datum["d3v2"].size_bytes == 0
    assert "d3v1" not in by_datum
    assert by_datum["d5v1"].problem == "overwritten by the run"
    assert "not in the store" in by_datum["d4v1"].problem
    assert "cannot be read" in by_datum["d6v1"].problem


def test_what_tasks_that_did_not_finish_were_to_write_is_not_what_the_run_wrote(tmp_path: Path) -> None:
    made, other = tmp_path / "made.txt", tmp_path / "other.txt"
    made.write_text("1")
    other.write_text("of another run")
    records = [
        named("d1v1", made, is_output=True),
        stories.Submitted(at=1.0, task=1, function="write", writes=("d1v1",)),
        named("d1v2", made, is_output=True),
        stories.Submitted(at=1.0, task=2, function="write", writes=("d1v2",)),
        named("d2v1", other, is_output=True),
        stories.Submitted(at=1.0, task=3, function="write", writes=("d2v1",)),
        stories.Finished(at=2.0, task=1, attempt=1, site="edge"),
    ]
    items, _ = list_items(make_run(tmp_path / "run1", records=records), None)
    assert [(item.name, item.datum) for item in items] == [(str(made), "d1v1")]


@pytest.fixture
def two_runs(tmp_path: Path) -> tuple[Path, Path]:
    first = make_run(tmp_path / "runs" / "one-1")
    later = [
        msgspec.structs.replace(each, site="cloud")
        if isinstance(each, stories.Placed | stories.Finished) and each.task == 1
        else msgspec.structs.replace(each, run_s=2.0, started_at=0.0)
        if isinstance(each, stories.Finished) and each.task == 3
        else each
        for each in journaled.records()
        if not (isinstance(each, stories.Submitted | stories.Placed | stories.Finished) and each.task == 4)
    ]
    second = make_run(tmp_path / "runs" / "two-2", source="print(2)", records=later)
    outputs = {
        first: {"s3://x/a": "etag:1", "s3://x/b": "etag:1", "s3://x/c": "etag:1", "s3://x/e": ""},
        second: {"s3://x/a": "etag:1", "s3://x/b": "etag:2", "s3://x/d": "etag:1", "s3://x/e": ""},
    }
    for folder, named_ in outputs.items():
        items = tuple(
            Item(name=name, is_output=True, datum="d1v1", checksum=checksum)
            for name, checksum in named_.items()
        )
        sites = (SiteFacts(name="edge", computing_units=2 if folder is first else 3),)
        manifest = msgspec.structs.replace(read_manifest(folder), items=items, sites=sites)
        if folder is second:
            manifest = msgspec.structs.replace(manifest, packages=manifest.packages | {"msgspec": "0.0"})
        write_manifest(folder, manifest)
    return first, second


def test_two_runs_differ_in_times_places_code_versions_sites_and_results(two_runs: tuple[Path, Path]) -> None:
    compared = compare_runs(*two_runs)
    functions = {each.function: each for each in compared.functions}
    assert (functions["load"].first_sites, functions["load"].second_sites) == (
        {"edge": 1, "cloud": 1},
        {"cloud": 2},
    )
    assert functions["load"].moved_elsewhere == 1
    assert functions["join"].second_mean_s == 2.0
    assert functions["show"].second_sites == {}
    changes = {(each.kind, each.name) for each in compared.changes}
    assert changes == {("code", "one-1.py"), ("code", "two-2.py"), ("version", "msgspec"), ("site", "edge")}
    assert Change("version", "msgspec", msgspec.__version__, "0.0") in compared.changes
    assert {each.name[-1]: each.verdict for each in compared.results} == {
        "a": "same",
        "b": "different",
        "c": "only in the first",
        "d": "only in the second",
        "e": "not known",
    }
    assert {each.name: (each.first, each.second) for each in compared.figures}["tasks"] == (4, 3)


def test_a_run_compared_with_itself_does_not_differ(two_runs: tuple[Path, Path]) -> None:
    compared = compare_runs(two_runs[0], two_runs[0])
    assert compared.changes == ()
    assert all(each.first == each.second for each in compared.figures)
    assert all(not each.moved_elsewhere for each in compared.functions)


def test_runs_without_manifests_are_compared_as_far_as_can_be(two_runs: tuple[Path, Path]) -> None:
    (two_runs[0] / "manifest.json").unlink()
    assert {each.verdict for each in compare_runs(*two_runs).results} == {"only in the second"}


def test_the_command_prints_tables_or_json(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    runner = CliRunner(env={"CONTINUUM_HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "200"})
    told = runner.invoke(cli, ["run", "compare", "one", "two"]).stdout
    assert "results: 1 same, 1 different, 1 only in the first, 1 only in the second, 1 not known" in told
    assert "version  msgspec" in told
    document = json.loads(runner.invoke(cli, ["run", "compare", "one", "two", "--json"]).stdout)
    assert (document["first"], document["second"]) == ("one-1", "two-2")
