"""Run the benchmarks one after the other and put their tables into one summary.

    python -m benchmarks [--quick] [NAME ...]

Each benchmark is a program of its own that prints a table and writes benchmarks/results/NAME.json; numbers
are ratios measured side by side in one run wherever that is possible, because machines differ and are shared.
Nothing is asserted here: a slow machine is no failure, but a benchmark that cannot finish is, and gives exit
status 1.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
NAMES = (
    *("startup", "locator", "engine", "peers", "graphs", "wire", "gateway", "neighbours"),
    *("encryption", "transfer", "herd", "directories", "placement", "elastic", "kubernetes"),
)
LIMIT_S = 900


@dataclass(frozen=True)
class Outcome:
    """What came of one benchmark: its exit status, how long it took, what it printed."""

    name: str
    status: int
    took_s: float
    printed: str


def main() -> int:
    """Run what the arguments name; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="shorter runs, rougher numbers")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    RESULTS.mkdir(exist_ok=True)
    outcomes = [run(name, quick=options.quick) for name in options.names or NAMES]
    _write_summary(outcomes, quick=options.quick)
    failed = [outcome.name for outcome in outcomes if outcome.status != 0]
    print(f"\nresults: {RESULTS}/*.json, summary: {RESULTS}/summary.md")
    if failed:
        print(f"did not finish: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(name: str, *, quick: bool) -> Outcome:
    """Run one benchmark as a process of its own, showing what it prints."""
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    command = [sys.executable, str(HERE / f"{name}.py"), *(["--quick"] if quick else [])]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
            process.wait(timeout=LIMIT_S)
        except BaseException:
            process.terminate()  # Ctrl-C, or it hangs: it stops the servers that it started
            raise
    return Outcome(name, process.returncode, time.monotonic() - began, "".join(lines))


def _write_summary(outcomes: list[Outcome], *, quick: bool) -> None:
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": quick,
    }
    (RESULTS / "machine.json").write_text(json.dumps(machine, indent=2) + "\n")
    text = ["# Benchmarks\n", *(f"- {key}: {value}" for key, value in machine.items()), ""]
    for outcome in outcomes:
        state = "" if outcome.status == 0 else f" (did not finish: exit status {outcome.status})"
        text += [
            f"## {outcome.name}{state}, {outcome.took_s:.0f} s\n",
            "```",
            outcome.printed.rstrip(),
            "```\n",
        ]
    (RESULTS / "summary.md").write_text("\n".join(text))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
