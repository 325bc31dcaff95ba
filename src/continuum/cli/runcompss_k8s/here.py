"""`runcompss-k8s --deploy-mode client`: the program on this machine, its tasks in worker pods of the site."""

import os
from pathlib import Path
from typing import Any

from continuum.cli.runcompss import limit_wall_clock, take_environment
from continuum.cli.runcompss_k8s.constraints import take_constraints
from continuum.cli.runcompss_k8s.launches import Launch


def run_here(launch: Launch) -> int:
    """Run a program as `continuum run` does, and return its exit status."""
    if Path(launch.app).is_file():
        take_constraints(launch)
    words = [*launch.words_of_run(), *take_environment(launch.scripts, launch.python_path)]
    if launch.home:
        words += ["--home", launch.home]
    if launch.as_json:
        words.append("--json")
    if launch.wall_clock_s:
        limit_wall_clock(launch.wall_clock_s)
    if launch.kubeconfig:
        os.environ["KUBECONFIG"] = launch.kubeconfig
    from continuum.cli.main import as_command  # noqa: PLC0415 - the command line is built from here
    from continuum.cli.run import app  # noqa: PLC0415 - loads the driver

    command: Any = as_command(app, "run")
    arguments = [*words, launch.app, *launch.arguments]
    status = command.main(args=arguments, prog_name="continuum run", standalone_mode=False)
    return int(status or 0)  # which is returned in this mode, not raised
