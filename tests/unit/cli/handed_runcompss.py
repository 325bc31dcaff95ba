#!/usr/bin/env python3
"""Stands in for COMPSs' `runcompss`: takes its command line as strictly, then runs the program.

Long options with a value are `--name=value`, as there; anything else that begins with a dash is refused. It
starts a worker in a session of its own, as the runtime does, and writes its log where `--log_dir` says.
"""

import os
import subprocess
import sys
from pathlib import Path

SWITCHES = {"-d", "--debug", "-g", "--graph", "-t", "--tracing", "-m", "--summary"}
VALUES = {"--lang", "--pythonpath", "--log_dir", "--log_level", "--graph", "--wall_clock_limit", "--project"}


def take_options(words):
    given = {}
    while words and words[0].startswith("-"):
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if (equals and name not in VALUES) or (not equals and name not in SWITCHES):
            sys.exit(f"unrecognized option {word}")
        given[name] = value
    return given


def main():
    words = sys.argv[1:]
    given = take_options(words)
    if given.get("--lang") != "python" or not words:
        sys.exit("not a Python application")
    logs = Path(given["--log_dir"], ".COMPSs", Path(words[0]).name + "_01")
    logs.mkdir(parents=True)
    (logs / "runtime.log").write_text(repr(given))
    worker = subprocess.Popen(["sleep", "3000"], start_new_session=True)
    (logs / "worker.pid").write_text(str(worker.pid))
    environment = os.environ | {"PYTHONPATH": given["--pythonpath"]}
    status = subprocess.call([sys.executable, "-u", *words], env=environment)
    if "LEAVE_WORKER" not in os.environ:
        worker.kill()
        worker.wait()
    sys.exit(status)


if __name__ == "__main__":
    main()
