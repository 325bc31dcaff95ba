"""What a demonstration found: checks that hold or do not, and a row of figures for each stage."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from continuum.model.stories import format_bytes, format_seconds


@dataclass(frozen=True)
class Check:
    """Something that must be so."""

    what: str
    is_ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Figures:
    """What one stage did: where its tasks ran, what moved between sites, how long it took."""

    stage: str
    where: str
    took_s: float
    moved_bytes: int | None = None


@dataclass
class Report:
    """Collects checks and figures, and says each check when it is made."""

    console: Console
    checks: list[Check] = field(default_factory=list)
    figures: list[Figures] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        """Whether something was checked and everything held."""
        return bool(self.checks) and all(check.is_ok for check in self.checks)

    def check(self, what: str, is_ok: bool, detail: str = "") -> None:
        """Note and say one check. `detail` is shown if it does not hold."""
        self.checks.append(Check(what, is_ok, "" if is_ok else detail))
        mark = "[green]ok[/]    " if is_ok else "[bold red]FAILED[/]"
        self.console.print(
            f"  {mark} {what}" + (f": {detail}" if detail and not is_ok else ""), highlight=False
        )

    def say(self, text: str) -> None:
        """Announce what comes next."""
        self.console.print(f"\n[bold]{text}[/]", highlight=False)

    def show(self) -> None:
        """Print the table of figures and the table of checks that did not hold."""
        table = Table(title="What ran where", title_justify="left")
        for column in ("stage", "where", "moved between sites", "time"):
            table.add_column(column, justify="right" if column in {"moved between sites", "time"} else "left")
        for row in self.figures:
            moved = "" if row.moved_bytes is None else format_bytes(row.moved_bytes)
            table.add_row(row.stage, row.where, moved, format_seconds(row.took_s))
        self.console.print()
        self.console.print(table)
        failed = [check for check in self.checks if not check.is_ok]
        for check in failed:
            self.console.print(f"[bold red]FAILED[/] {check.what}: {check.detail}", highlight=False)
        held = len(self.checks) - len(failed)
        colour = "green" if self.is_ok else "bold red"
        self.console.print(f"[{colour}]{held} of {len(self.checks)} checks ok[/]", highlight=False)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "ok": self.is_ok,
            "checks": [vars(check) for check in self.checks],
            "figures": [vars(row) for row in self.figures],
        }
