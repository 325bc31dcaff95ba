"""What ran, as actions of an RO-Crate: the run, the tasks of each function at each site, who led them."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

import msgspec

from continuum.model.timelines import FINISHED, Timeline, Try
from continuum.workflow.journals import RunSummary
from continuum.workflow.manifests import Manifest
from continuum.workflow.seeing.entities import Entities, Entity, instant, ref, refs, unique

_COUNT = "https://qudt.org/vocab/unit/NUM"


class Actions:
    """Adds the actions of one run; `data` are the entities of named data, by datum."""

    def __init__(
        self,
        entities: Entities,
        run: tuple[RunSummary, Manifest, Timeline],
        author: Entity,
        data: Mapping[str, Entity],
    ) -> None:
        self.add = entities.add
        self.summary, self.manifest, self.timeline = run
        self.author = author
        self.data = data

    def add_all(self, workflow: Entity, tools: Mapping[str, Entity]) -> None:
        """Add the run, the executions of tools, and the orchestration."""
        run = self._run(workflow)
        self._engine_run(run, self._executions(tools))

    def _run(self, workflow: Entity) -> Entity:
        arguments = []
        if self.summary.arguments:
            text = msgspec.json.encode(self.summary.arguments).decode()
            value = self.add(
                "#arguments",
                "PropertyValue",
                name="arguments",
                value=text,
                exampleOfWork={"@id": "#parameter-arguments"},
            )
            arguments = [value]
        items = self.manifest.items
        is_good = self.summary.state == "succeeded"
        return self.add(
            f"#run-{self.summary.run_id}",
            "CreateAction",
            name=f"Run {self.summary.run_id}",
            instrument=ref(workflow),
            agent=ref(self.author),
            startTime=instant(self.summary.started_at),
            endTime=instant(self.summary.ended_at or self.timeline.end_at),
            actionStatus=_status(is_good=is_good),
            error="" if is_good else self.summary.reason or self.summary.state,
            object=unique([*arguments, *(self.data[item.datum] for item in items if not item.is_output)]),
            result=unique(self.data[item.datum] for item in items if item.is_output),
            description=f"placement {self.summary.placement}, home site {self.summary.home_site or '-'}",
        )

    def _executions(self, tools: Mapping[str, Entity]) -> list[tuple[str, Entity]]:
        groups: dict[tuple[str, str], list[Try]] = {}
        for each in self.timeline.tries:
            groups.setdefault((each.task.function, each.site), []).append(each)
        return [
            (function, self._execution(function, site, tries, tools[function]))
            for (function, site), tries in groups.items()
        ]

    def _execution(self, function: str, site: str, tries: Sequence[Try], tool: Entity) -> Entity:
        done = [each for each in tries if each.outcome == FINISHED]
        calls = {each.task.id for each in tries}
        failed = len(tries) - len(done)
        is_good = bool(done)
        messages = [each.message for each in tries if each.message]
        read = {datum for task in calls for datum in self.timeline.calls[task].reads}
        written = {datum for task in calls for datum in self.timeline.calls[task].writes}
        names = f"{quote(function)}-at-{quote(site)}"
        return self.add(
            f"#execution-{names}",
            "CreateAction",
            name=f"{len(calls)} tasks of {function} at {site}",
            description=f"All tasks of the function {function} that were placed at the site {site}, as one.",
            instrument=ref(tool),
            agent=ref(self.author),
            location=ref(self._site(site)),
            startTime=instant(min(each.started_at or each.placed_at for each in tries)),
            endTime=instant(max(each.ended_at or self.timeline.end_at for each in tries)),
            actionStatus=_status(is_good=is_good),
            error="" if is_good else "; ".join(messages[:3]) or "no task has finished",
            object=unique(self.data[datum] for datum in sorted(read) if datum in self.data),
            result=unique(self.data[datum] for datum in sorted(written) if datum in self.data),
            resourceUsage=refs(self._usage(names, tries, failed)),
        )

    def _usage(self, names: str, tries: Sequence[Try], failed: int) -> list[Entity]:
        values = {
            "tasks": (str(len(tries) - failed), _COUNT),
            "tries that failed": (str(failed), _COUNT),
            "run time": (f"{sum(each.run_s for each in tries):.6f}", "https://qudt.org/vocab/unit/SEC"),
            "moved from other sites": (
                str(sum(each.moved_bytes for each in tries)),
                "https://qudt.org/vocab/unit/BYTE",
            ),
        }
        return [
            self.add(
                f"#usage-{names}-{name.replace(' ', '-')}",
                "PropertyValue",
                name=name,
                propertyID=f"https://w3id.org/continuum/usage#{name.replace(' ', '-')}",
                value=value,
                unitCode=unit,
            )
            for name, (value, unit) in values.items()
        ]

    def _site(self, name: str) -> Entity:
        facts = next((each for each in self.manifest.sites if each.name == name), None)
        described = (
            f"{facts.computing_units} computing units, {facts.memory_bytes} bytes of memory, "
            f"{facts.architecture or 'unknown architecture'}"
            if facts is not None
            else ""
        )
        return self.add(f"#site-{quote(name)}", "Place", name=name, description=described)

    def _engine_run(self, run: Entity, executions: Iterable[tuple[str, Entity]]) -> None:
        engine = self.add(
            "#continuum",
            "SoftwareApplication",
            name="continuum",
            description="The driver that placed the tasks at the sites.",
            softwareVersion=self.manifest.continuum,
        )
        controls = [
            self.add(
                f"#control-{execution['@id'].removeprefix('#execution-')}",
                "ControlAction",
                name=f"orchestrate {execution['name']}",
                instrument={"@id": f"#step-{quote(function)}"},
                object=ref(execution),
            )
            for function, execution in executions
        ]
        self.add(
            "#orchestration",
            "OrganizeAction",
            name=f"Run of continuum {self.manifest.continuum}",
            instrument=ref(engine),
            agent=ref(self.author),
            object=refs(controls),
            result=ref(run),
            startTime=run["startTime"],
            endTime=run["endTime"],
        )


def _status(*, is_good: bool) -> str:
    return f"http://schema.org/{'Completed' if is_good else 'Failed'}ActionStatus"
