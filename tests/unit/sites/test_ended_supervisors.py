"""Which processes run."""

import os
import subprocess
import sys

from continuum.sites.supervision.controlling import is_running


def test_a_process_that_has_ended_does_not_run_though_nobody_asked_how() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_running(process.pid)
    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped
    assert not is_running(process.pid)
    process.wait()
    assert not is_running(process.pid)
