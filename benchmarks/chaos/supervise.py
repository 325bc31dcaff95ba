"""The supervisor of one place: the product's own, with the part of the plan that runs there.

    python -m benchmarks.chaos.supervise PLAN_FILE      (JSON)

Prints `ready` when all is ready; stops in order on SIGTERM.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from continuum.sites.supervision.plans import Plan
from continuum.sites.supervision.processes import SupervisedProcess
from continuum.sites.supervision.supervising import Supervisor


def format_plan(plan: Plan) -> bytes:
    """Return what `read_plan` reads."""
    return msgspec.json.encode(plan, enc_hook=str)


def read_plan(path: Path) -> Plan:
    """Read a plan that was written for this process."""
    return msgspec.json.decode(path.read_bytes(), type=Plan, dec_hook=_decode)


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)


def main() -> None:
    plan = read_plan(Path(sys.argv[1]))

    def tell(process: SupervisedProcess) -> None:
        print(f"{process.name} {process.state} {process.last_failure}", flush=True)

    asyncio.run(Supervisor(plan, tell).run(lambda: print("ready", flush=True)))


if __name__ == "__main__":
    main()
