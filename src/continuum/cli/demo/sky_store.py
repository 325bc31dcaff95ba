"""The stage of §6.2: the `aws s3api` commands of Sky Store's demonstrator over two gateways.

The program of the example asserts every reply itself, also where the bytes are in the end; here only its
outcome counts.
"""

from continuum.cli.demo.outcomes import Figures
from continuum.cli.demo.stages import RUN_LIMIT_S, Stage
from continuum.model.errors import ContinuumError

PAYLOAD_BYTES = 5 * 1024 * 1024


def show_sky_store(stage: Stage) -> None:
    """Run the demonstrator on the fresh, empty name space."""
    stage.report.say("Sky Store: one name space, two gateways, the aws commands of the source's demonstrator")
    running = stage.commands.start_python(
        "sky store",
        str(stage.examples / "skystore_demo" / "demo.py"),
        "--home",
        str(stage.home.path),
        "--fresh",
    )
    try:
        took_s = running.wait(RUN_LIMIT_S)
    except ContinuumError as problem:
        stage.report.check("every reply of the aws commands is the expected one", False, str(problem))
        return
    held = sum(line.lstrip().startswith("ok ") for line in running.lines)
    stage.report.check(f"every reply of the aws commands is the expected one ({held} looked at)", held > 0)
    first, second = (site.name for site in stage.sites[:2])
    stage.report.figures.append(Figures("Sky Store", f"{first}, {second}", took_s, PAYLOAD_BYTES))
