"""What the stages of a demonstration share: commands, objects through every gateway, the journal of runs."""

import asyncio
import importlib.util
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import msgspec

from continuum.cli.demo.commands import Commands, Running
from continuum.cli.demo.outcomes import Report
from continuum.model.errors import NotFoundError
from continuum.sites import Home
from continuum.store import ObjectClient

RUN_LIMIT_S = 120.0

Result = TypeVar("Result")


class SiteShare(msgspec.Struct, kw_only=True):
    """How many tasks of a run finished at a site."""

    name: str
    tasks: int


class RunSummary(msgspec.Struct, kw_only=True):
    """What `continuum run show --json` says of a run, as far as it is needed here."""

    run_id: str
    state: str
    started_at: float
    ended_at: float
    sites: tuple[SiteShare, ...]
    moved_bytes: int

    @property
    def took_s(self) -> float:
        """How long the run took."""
        return self.ended_at - self.started_at

    @property
    def where(self) -> str:
        """How many tasks ran at which site, for the table."""
        return ", ".join(f"{site.name} {site.tasks}" for site in self.sites if site.tasks)


class Stage:
    """The surroundings of one stage."""

    def __init__(
        self, home: Home, commands: Commands, report: Report, *, examples: Path, pictures: Path
    ) -> None:
        self.home = home
        self.commands = commands
        self.report = report
        self.examples = examples
        self.pictures = pictures
        self.sites = home.continuum().sites

    def start_run(self, label: str, *arguments: str) -> Running:
        """Start `continuum run ARGUMENTS`; a word that ends with .py is a program of the examples."""
        words = [str(self.examples / word) if word.endswith(".py") else word for word in arguments]
        return self.commands.start_continuum(label, "run", *words)

    def summary(self, name: str) -> RunSummary:
        """Return what the platform says of a run."""
        return msgspec.json.decode(self.commands.continuum("run", "show", name, "--json"), type=RunSummary)

    def first_task_at(self, run: RunSummary) -> float:
        """Return when the run's program called its first task."""
        with (self.home.runs() / run.run_id / "journal.jsonl").open() as journal:
            return float(json.loads(journal.readline())["at"])

    def keep_graph(self, name: str, run: RunSummary) -> None:
        """Check that the picture of the run's graph is there, and keep a copy beyond the home's end."""
        picture = self.home.runs() / run.run_id / "graph.svg"
        is_there = picture.exists() and "<svg" in picture.read_text()
        if is_there:
            self.pictures.mkdir(exist_ok=True)
            shutil.copyfile(picture, self.pictures / f"{name}.svg")
        self.report.check(f"the graph of {name} is drawn: {self.pictures}/{name}.svg", is_there, "it is not")

    def at_gateway(self, index: int, work: Callable[[ObjectClient], Awaitable[Result]]) -> Result:
        """Do something through the gateway of the `index`-th site."""
        access_key, secret_key = self.home.credentials()

        async def run() -> Result:
            async with ObjectClient(self.sites[index].gateway_url, access_key, secret_key) as client:
                return await work(client)

        return asyncio.run(run())

    def read(self, index: int, bucket: str, key: str) -> bytes:
        """Return an object as the gateway of the `index`-th site gives it."""
        return self.at_gateway(index, lambda client: client.get(bucket, key))


def load_example(path: Path) -> ModuleType:
    """Import a module of the examples that states what must come out."""
    spec = importlib.util.spec_from_file_location(f"continuum_example_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise NotFoundError(f"there is no example {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
