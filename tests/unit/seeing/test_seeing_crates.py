"""A run as an RO-Crate: what the profiles demand, and what there is in it."""

import json
import zipfile
from pathlib import Path
from typing import Any

import journaled
import msgspec
import pytest

from continuum.model import stories
from continuum.model.errors import ConflictError, InvalidInputError
from continuum.workflow.importing import used_files
from continuum.workflow.journals import Journal
from continuum.workflow.manifests import Item, SiteFacts, begin_manifest, read_manifest, write_manifest
from continuum.workflow.seeing.crates import METADATA, CrateOptions, write_crate

AUTHOR = CrateOptions(author="A. N. Other")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with a file and objects, and a module beside the program."""
    program = tmp_path / "fit.py"
    program.write_text("import beside\n")
    given = tmp_path / "given file.txt"
    given.write_text("abc")
    code = tmp_path / "code.zip"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("beside.py", "x = 1\n")
    made = tmp_path / "runs" / journaled.SUMMARY.run_id
    records = [
        msgspec.structs.replace(each, reads=("d9v1",))
        if isinstance(each, stories.Submitted) and each.task == 1
        else each
        for each in journaled.records()
    ]
    with Journal(made) as journal:
        journal.add(records)
        journal.write_summary(journaled.SUMMARY)
    manifest = begin_manifest(made, journaled.SUMMARY.run_id, program, code.read_bytes())
    items = (
        Item(name=str(given), is_output=False, datum="d9v1", size_bytes=3, checksum="sha256:" + "0" * 64),
        Item(name="s3://data/out", is_output=True, datum="d3v1", size_bytes=7, checksum="etag:ab-2"),
        Item(name="s3://data/gone", is_output=False, datum="d8v1", problem="it is not in the store"),
    )
    sites = (SiteFacts(name="edge", computing_units=2, memory_bytes=1024, architecture="x86_64"),)
    write_manifest(made, msgspec.structs.replace(manifest, items=items, sites=sites))
    return made


Graph = dict[str, dict[str, Any]]


def graph_of(crate: Path) -> Graph:
    document = json.loads((crate / METADATA).read_text())
    assert document["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    return {each["@id"]: each for each in document["@graph"]}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def kinds(entity: dict[str, Any]) -> set[str]:
    return set(listed(entity["@type"]))


def of_kind(graph: Graph, kind: str) -> list[dict[str, Any]]:
    return [each for each in graph.values() if kind in kinds(each)]


def targets(entity: dict[str, Any], name: str) -> list[str]:
    return [each["@id"] for each in listed(entity.get(name))]


def test_the_crate_is_one_as_ro_crate_1_1_demands(folder: Path, tmp_path: Path) -> None:
    crate = write_crate(folder, tmp_path / "crate", AUTHOR)
    graph = graph_of(crate)
    descriptor, root = graph[METADATA], graph["./"]
    assert targets(descriptor, "about") == ["./"]
    assert "https://w3id.org/ro/crate/1.1" in targets(descriptor, "conformsTo")
    assert kinds(root) == {"Dataset"}
    assert all(root.get(name) for name in ("name", "description", "datePublished", "license"))
    for part in targets(root, "hasPart"):
        assert kinds(graph[part]) & {"File", "Dataset"}
        assert "://" in part or (crate / part).is_file()
    data = {each["@id"] for each in of_kind(graph, "File")}
    assert data <= set(targets(root, "hasPart"))


def test_whatever_is_referred_to_inside_the_crate_is_described(folder: Path, tmp_path: Path) -> None:
    graph = graph_of(write_crate(folder, tmp_path / "crate", AUTHOR))
    for entity in graph.values():
        for value in entity.values():
            for each in listed(value):
                if isinstance(each, dict) and each["@id"].startswith("#"):
                    assert each["@id"] in graph, (entity["@id"], each)


def test_the_crate_is_a_provenance_run_crate(folder: Path, tmp_path: Path) -> None:
    graph = graph_of(write_crate(folder, tmp_path / "crate", AUTHOR))
    profiles = targets(graph["./"], "conformsTo")
    for name in ("process", "workflow", "provenance"):
        assert f"https://w3id.org/ro/wfrun/{name}/0.5" in profiles
    assert all(kinds(graph[profile]) == {"CreativeWork"} for profile in profiles)
    (main,) = targets(graph["./"], "mainEntity")
    assert kinds(graph[main]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"}
    tools = {each["@id"] for each in of_kind(graph, "SoftwareApplication")} - {"#continuum"}
    assert set(targets(graph[main], "hasPart")) == tools
    steps = of_kind(graph, "HowToStep")
    assert {each["@id"] for each in steps} == set(targets(graph[main], "step"))
    assert {tool for each in steps for tool in targets(each, "workExample")} == tools
    actions = {each["@id"]: each for each in of_kind(graph, "CreateAction")}
    assert set(targets(graph["./"], "mentions")) == set(actions)
    runs = [each for each in actions.values() if targets(each, "instrument") == [main]]
    assert len(runs) == 1
    assert {tool for each in actions.values() for tool in targets(each, "instrument")} == tools | {main}
    controls = of_kind(graph, "ControlAction")
    controlled = {action for each in controls for action in targets(each, "object")}
    assert controlled == set(actions) - {runs[0]["@id"]}
    assert all(
        kinds(graph[step]) == {"HowToStep"} for each in controls for step in targets(each, "instrument")
    )
    (organised,) = of_kind(graph, "OrganizeAction")
    assert targets(organised, "result") == [runs[0]["@id"]]
    assert set(targets(organised, "object")) == {each["@id"] for each in controls}


def test_executions_tell_their_times_place_files_and_use(folder: Path, tmp_path: Path) -> None:
    graph = graph_of(write_crate(folder, tmp_path / "crate", AUTHOR))
    load = graph["#execution-load-at-edge"]
    assert targets(load, "object") == [f"file://{tmp_path}/given%20file.txt"]
    assert load["startTime"] == "1970-01-01T00:16:42.000+00:00"
    assert "2 computing units" in graph["#site-edge"]["description"]
    assert targets(graph["#execution-join-at-edge"], "result") == ["s3://data/out"]
    failed = graph["#usage-load-at-cloud-tries-that-failed"]
    assert failed["value"] == "1"
    run = graph[f"#run-{journaled.SUMMARY.run_id}"]
    assert graph["#arguments"]["value"] == '["3","</script>"]'
    assert set(targets(run, "object")) >= {"#arguments", "s3://data/gone"}


def test_checksums_stand_with_what_they_are_of(folder: Path, tmp_path: Path) -> None:
    graph = graph_of(write_crate(folder, tmp_path / "crate", AUTHOR))
    assert graph[f"file://{tmp_path}/given%20file.txt"]["sha256"] == "0" * 64
    assert graph[targets(graph["s3://data/out"], "identifier")[0]]["value"] == "ab-2"
    assert "not in the store" in graph["s3://data/gone"]["description"]


def test_files_go_along_if_one_asks_and_the_crate_can_be_a_zip(folder: Path, tmp_path: Path) -> None:
    options = CrateOptions(includes_data=True, orcid="0000-0002-1825-0097", license="https://example.org/l")
    made = write_crate(folder, tmp_path / "run.crate.zip", options, is_zipped=True)
    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path / "unpacked")
    graph = graph_of(tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "inputs" / "d9v1-given%20file.txt").read_text() == "abc"
    assert "inputs/d9v1-given%20file.txt" in targets(graph["./"], "hasPart")
    assert targets(graph["./"], "license") == ["https://example.org/l"]
    assert targets(graph["./"], "author") == ["https://orcid.org/0000-0002-1825-0097"]
    assert (tmp_path / "unpacked" / "code" / "beside.py").read_text() == "x = 1\n"
    assert f"msgspec=={msgspec.__version__}\n" in (tmp_path / "unpacked" / "requirements.txt").read_text()


def test_a_run_that_failed_says_so(folder: Path, tmp_path: Path) -> None:
    failed = msgspec.structs.replace(journaled.SUMMARY, state="failed", reason="no luck")
    with Journal(folder) as journal:
        journal.write_summary(failed)
    run = graph_of(write_crate(folder, tmp_path / "crate", AUTHOR))[f"#run-{journaled.SUMMARY.run_id}"]
    assert (run["actionStatus"], run["error"]) == ("http://schema.org/FailedActionStatus", "no luck")


def test_nothing_but_a_crate_is_replaced(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "crate"
    write_crate(folder, target, AUTHOR)
    write_crate(folder, target, AUTHOR)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConflictError, match="no crate"):
        write_crate(folder, tmp_path / "mine", AUTHOR)


def test_of_the_modules_beside_the_program_those_that_it_uses_go_along(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(folder / "code.zip", "a") as archive:
        for name in ("secret.py", "package/__init__.py", "package/data.txt", "late.py", "named.py"):
            archive.writestr(name, "import beside\n")
        archive.writestr("deep.py", "def f():\n    import package.part\n")
    manifest = read_manifest(folder)
    write_manifest(folder, msgspec.structs.replace(manifest, imported=("named", "gone")))
    crate = write_crate(folder, tmp_path / "crate", AUTHOR)
    assert sorted(each.name for each in (crate / "code").iterdir()) == ["beside.py", "fit.py", "named.py"]
    assert "`secret.py`" in (crate / "README.md").read_text()
    assert "code/secret.py" not in graph_of(crate)


def test_what_functions_import_is_used_too_and_packages_as_a_whole() -> None:
    code = {
        "app.py": b"import os\nfrom a.b import c\nimportlib.import_module('by_name')\n",
        "a/__init__.py": b"from . import b\n",
        "a/b.py": b"def f():\n    import d\n",
        "a/table.txt": b"import e",
        "by_name.py": b"this is no python",
        "d.py": b"",
        "e.py": b"import d",
    }
    assert used_files(code, "app.py") == {
        "app.py",
        "a/__init__.py",
        "a/b.py",
        "a/table.txt",
        "by_name.py",
        "d.py",
    }


def test_a_program_that_was_handed_over_has_no_crate_of_ours(folder: Path, tmp_path: Path) -> None:
    summary = msgspec.structs.replace(journaled.SUMMARY, handed_over=("runcompss", "fit.py"))
    (folder / "run.json").write_bytes(msgspec.json.encode(summary))
    with pytest.raises(InvalidInputError) as refused:
        write_crate(folder, tmp_path / "crate", AUTHOR)
    assert "--compss-option=--provenance" in refused.value.hint
