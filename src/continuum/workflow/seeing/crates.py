"""A run as an RO-Crate: what ran, on what, with what, and what came out, for people and machines elsewhere.

A folder (or a zip of it) after RO-Crate 1.1 with the profiles Workflow RO-Crate 1.0 and Provenance Run Crate
0.5 (https://w3id.org/ro/wfrun/provenance): the program is the workflow, a function is a tool, the tasks of a
function at one site are one execution of it, with its times, its share of files and what it used. Code,
journal, manifest and pictures lie in the crate; files and objects that the run read and wrote are named with
their checksums, and go along only if one asks for them.
"""

import getpass
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.stories import format_seconds
from continuum.model.timelines import Timeline
from continuum.workflow.importing import used_files
from continuum.workflow.journals import RunSummary, read_records, read_summary
from continuum.workflow.manifests import CODE, Item, Manifest, read_manifest
from continuum.workflow.seeing.actions import Actions
from continuum.workflow.seeing.entities import Entities, Entity, instant, ref, refs
from continuum.workflow.seeing.gantts import draw_gantt
from continuum.workflow.seeing.pages import draw_page

METADATA = "ro-crate-metadata.json"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_NO_LICENSE = "https://choosealicense.com/no-permission/"
_KEPT = {
    "journal.jsonl": ("What happened, record by record", "application/jsonl"),
    "run.json": ("The run in short", "application/json"),
    "manifest.json": ("Versions, sites, files and objects with checksums", "application/json"),
    "graph.svg": ("The graph of tasks", "image/svg+xml"),
    "graph.dot": ("The graph of tasks, for graphviz", "text/vnd.graphviz"),
}
_TYPES = {".py": "text/x-python", ".json": "application/json", ".txt": "text/plain", ".md": "text/markdown"}


class CrateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the run and how it may be used. `includes_data`: the files (not objects) go into the crate."""

    author: str = ""
    orcid: str = ""
    license: str = ""
    description: str = ""
    includes_data: bool = False


def write_crate(folder: Path, target: Path, options: CrateOptions, *, is_zipped: bool = False) -> Path:
    """Write the crate of the run in `folder` to `target`, a folder that is not there yet, or a zip file.

    Raises `ConflictError` if something else is there, `NotFoundError` if the run has no manifest.
    """
    if not is_zipped:
        if target.exists() and not (target / METADATA).exists():
            raise ConflictError(f"{target} is there and no crate", hint="name another place with -o")
        shutil.rmtree(target, ignore_errors=True)
    crate = _Crate(folder, options)
    files = crate.files()
    document = {"@context": CONTEXT, "@graph": crate.graph()}
    files[METADATA] = msgspec.json.format(msgspec.json.encode(document), indent=2)
    if is_zipped:
        _write_zip(target, files)
    else:
        _write_folder(target, files)
    return target


def _write_folder(target: Path, files: Mapping[str, bytes | Path]) -> None:
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            shutil.copyfile(content, path)


def _write_zip(target: Path, files: Mapping[str, bytes | Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if isinstance(content, bytes):
                archive.writestr(name, content)
            else:
                archive.write(content, name)


class _Crate:
    """The entities of one crate, by id, and its files by path."""

    def __init__(self, folder: Path, options: CrateOptions) -> None:
        self.folder = folder
        self.options = options
        self.summary: RunSummary = read_summary(folder)
        if self.summary.handed_over:
            raise InvalidInputError(
                f"the run {folder.name} was handed to COMPSs as a whole, which knows what it was made of",
                hint="runcompss makes a crate of its own: --compss-option=--provenance",
            )
        self.manifest: Manifest = read_manifest(folder)
        records = list(read_records(folder))
        self.timeline = Timeline(records)
        self.page = draw_page(self.summary, records)
        self.entities = Entities()
        self.add = self.entities.add
        with zipfile.ZipFile(folder / CODE) as archive:
            code = {each: archive.read(each) for each in archive.namelist()}
        used = used_files(code, Path(self.summary.application).name, self.manifest.imported)
        self.code = {name: data for name, data in code.items() if name in used}
        self.left_out = sorted(code.keys() - used)
        self.program = f"code/{Path(self.summary.application).name}"

    # ---- files ----

    def files(self) -> dict[str, bytes | Path]:
        """Return what lies in the crate beside its metadata."""
        files: dict[str, bytes | Path] = {f"code/{name}": data for name, data in self.code.items()}
        files |= {name: self.folder / name for name in _KEPT if (self.folder / name).is_file()}
        files["README.md"] = self._readme().encode()
        files["requirements.txt"] = self._requirements().encode()
        files["gantt.svg"] = draw_gantt(self.timeline, self.folder.name).encode()
        files["report.html"] = self.page.encode()
        if self.options.includes_data:
            files |= {
                self._path_of(item): Path(item.name)
                for item in self.manifest.items
                if item.checksum.startswith("sha256:")
            }
        return files

    def _requirements(self) -> str:
        return "".join(f"{name}=={version}\n" for name, version in self.manifest.packages.items())

    def _readme(self) -> str:
        summary, manifest = self.summary, self.manifest
        took_s = (summary.ended_at or self.timeline.end_at) - summary.started_at
        rows = "".join(f"- `{name}`: {described}\n" for name, (described, _) in _KEPT.items())
        return (
            f"# Run {summary.run_id}\n\n"
            f"`{' '.join((Path(summary.application).name, *summary.arguments))}`, {summary.state}, "
            f"{instant(summary.started_at)}, {format_seconds(took_s)}, {len(self.timeline.calls)} tasks at "
            f"{', '.join(self.timeline.sites) or 'no site'}; continuum {manifest.continuum}, Python "
            f"{manifest.python}.\n\nThis folder is an [RO-Crate](https://www.researchobject.org/ro-crate/): "
            f"`{METADATA}` describes it for machines.\n\n- `report.html`: the run as a page\n"
            f"- `code/`: the program and the modules that it imports\n- `requirements.txt`: packages\n{rows}"
            + self._left_out()
        )

    def _left_out(self) -> str:
        if not self.left_out:
            return ""
        return (
            "\nBeside the program lay other modules, which it does not import and which are left out: "
            f"{', '.join(f'`{name}`' for name in self.left_out)}.\n"
        )

    def _path_of(self, item: Item) -> str:
        kind = "outputs" if item.is_output else "inputs"
        return f"{kind}/{item.datum}-{quote(Path(item.name).name)}"

    # ---- the graph ----

    def graph(self) -> list[Entity]:
        """Return all entities."""
        author = self._author()
        workflow, tools = self._workflow()
        data = {item.datum: self._data(item) for item in self.manifest.items}
        run = (self.summary, self.manifest, self.timeline)
        Actions(self.entities, run, author, data).add_all(workflow, tools)
        kept = self._kept_files()
        parts = [workflow, *kept, *(each for each in data.values() if each["@type"] != "PropertyValue")]
        parts += [each for each in self.entities.by_id.values() if each["@id"].startswith("code/")]
        root = self._root(workflow, author, list({each["@id"]: each for each in parts}.values()))
        root["mentions"] = refs(
            each for each in self.entities.by_id.values() if each["@type"] == "CreateAction"
        )
        return list(self.entities.by_id.values())

    def _root(self, workflow: Entity, author: Entity, parts: Sequence[Entity]) -> Entity:
        profiles = [
            self.add(profile, "CreativeWork", name=name, version=version)
            for profile, (name, version) in _PROFILES.items()
        ]
        self.add(
            METADATA,
            "CreativeWork",
            about={"@id": "./"},
            conformsTo=[
                {"@id": "https://w3id.org/ro/crate/1.1"},
                {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
            ],
        )
        license_ = self.options.license or _NO_LICENSE
        name = "no license stated" if not self.options.license else self.options.license
        described = self.options.description or (
            f"Run {self.summary.run_id} of {Path(self.summary.application).name} with "
            f"{len(self.timeline.calls)} tasks at {', '.join(self.timeline.sites) or 'no site'}."
        )
        return self.add(
            "./",
            "Dataset",
            name=f"Run of {Path(self.summary.application).name}: {self.summary.run_id}",
            description=described,
            datePublished=instant(self.summary.ended_at or self.timeline.end_at),
            license=ref(self.add(license_, "CreativeWork", name=name, description=f"License: {name}")),
            author=ref(author),
            conformsTo=refs(profiles),
            mainEntity=ref(workflow),
            hasPart=refs(parts),
        )

    def _author(self) -> Entity:
        name = self.options.author or getpass.getuser()
        entity_id = self.options.orcid or f"#person-{quote(name)}"
        if self.options.orcid and not self.options.orcid.startswith("https://"):
            entity_id = f"https://orcid.org/{self.options.orcid}"
        return self.add(entity_id, "Person", name=name)

    def _kept_files(self) -> list[Entity]:
        kept = [
            self.add(name, "File", name=described, encodingFormat=kind, contentSize=_size(self.folder / name))
            for name, (described, kind) in _KEPT.items()
            if (self.folder / name).is_file()
        ]
        readme = self.add("README.md", "File", name="README", encodingFormat="text/markdown")
        readme["about"] = {"@id": "./"}
        kept.append(readme)
        requirements = "Packages that were installed where the program ran, as pip wants them"
        kept.append(self.add("requirements.txt", "File", name=requirements, encodingFormat="text/plain"))
        kept.append(self.add("gantt.svg", "File", name="What ran when", encodingFormat="image/svg+xml"))
        kept.append(self.add("report.html", "File", name="The run as a page", encodingFormat="text/html"))
        return kept

    # ---- the program and its functions ----

    def _workflow(self) -> tuple[Entity, dict[str, Entity]]:
        python = self.add(
            "https://w3id.org/workflowhub/workflow-ro-crate#python",
            "ComputerLanguage",
            name="Python",
            identifier={"@id": "https://www.python.org/"},
            url={"@id": "https://www.python.org/"},
            version=self.manifest.python,
        )
        tools = {
            name: self.add(
                f"#function-{quote(name)}",
                "SoftwareApplication",
                name=name,
                description=f"A function of the program that is a task; called {count} times.",
                softwareVersion=self.manifest.program_sha256[:12],
            )
            for name, count in self.timeline.functions().items()
        }
        steps = [
            self.add(
                f"#step-{quote(name)}",
                "HowToStep",
                name=name,
                position=str(position),
                workExample=ref(tool),
            )
            for position, (name, tool) in enumerate(tools.items(), start=1)
        ]
        for name, data in self.code.items():
            if f"code/{name}" != self.program:
                self._module(name, data)
        workflow = self.add(
            self.program,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name=Path(self.program).name,
            description=f"The program {Path(self.program).name}, whose tasks became this run.",
            programmingLanguage=ref(python),
            encodingFormat="text/x-python",
            conformsTo={"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
            version=self.manifest.program_sha256[:12],
            sha256=self.manifest.program_sha256,
            contentSize=str(len(self.code.get(Path(self.program).name, b""))),
            softwareRequirements={"@id": "requirements.txt"},
            step=refs(steps),
            hasPart=refs(tools.values()),
            input=refs(self._parameters("input", ["arguments"] * bool(self.summary.arguments))),
            output=refs(self._parameters("output", [])),
        )
        return workflow, tools

    def _module(self, name: str, data: bytes) -> Entity:
        return self.add(
            f"code/{name}",
            "File",
            name=name,
            description="It lay beside the program and went along with it.",
            version=self.manifest.code_sha256[:12],
            encodingFormat=_TYPES.get(Path(name).suffix, "text/plain"),
            contentSize=str(len(data)),
        )

    def _parameters(self, kind: str, names: list[str]) -> list[Entity]:
        is_output = kind == "output"
        if any(item.is_output == is_output for item in self.manifest.items):
            names = [*names, f"{kind}-data"]
        return [
            self.add(
                f"#parameter-{name}",
                "FormalParameter",
                name=name,
                additionalType="Text" if name == "arguments" else "File",
                description=(
                    "The words of the command line."
                    if name == "arguments"
                    else f"Files and objects that tasks {'wrote' if is_output else 'read'}."
                ),
                conformsTo={"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"},
                multipleValues="true",
                valueRequired="false",
            )
            for name in names
        ]

    # ---- data ----

    def _data(self, item: Item) -> Entity:
        is_included = self.options.includes_data and item.checksum.startswith("sha256:")
        place = item.name if "://" in item.name else f"file://{quote(item.name)}"
        kind, _, checksum = item.checksum.partition(":")
        role = "output" if item.is_output else "input"
        properties: dict[str, Any] = {
            "name": item.name.rpartition("/")[2],
            "alternateName": item.name if is_included else "",
            "description": "; ".join(filter(None, [f"an {role} of the run", item.problem])),
            "contentSize": str(item.size_bytes) if item.size_bytes >= 0 else "",
            "encodingFormat": _TYPES.get(Path(item.name).suffix, "application/octet-stream"),
            "exampleOfWork": {"@id": f"#parameter-{role}-data"},
        }
        if kind == "sha256":
            properties["sha256"] = checksum
        elif kind == "etag":
            etag = self.add(f"#etag-{checksum}", "PropertyValue", name="ETag", value=checksum)
            properties["identifier"] = ref(etag)
        return self.add(self._path_of(item) if is_included else place, "File", **properties)


def _size(path: Path) -> str:
    return str(path.stat().st_size)
