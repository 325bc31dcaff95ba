"""Tracebacks of tasks with the program's source lines, which their sites do not have.

A task's function travels without its text, so the traceback that a site writes names files and lines only.
The driver has the files that it started from, and adds their lines. Not promised: lines of modules that were
changed while the run went on.
"""

import linecache
import re

_FRAME = re.compile(r'  File "([^"]+)", line (\d+), in ')
_INDENT = "    "


def with_source_lines(text: str) -> str:
    """Return a traceback with the source lines that it lacks, as far as this process can find them."""
    lines = text.split("\n")
    told: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        told.append(line)
        frame = _FRAME.match(line)
        if frame is not None and not following.startswith(_INDENT):
            source = linecache.getline(frame[1], int(frame[2])).strip()
            if source:
                told.append(_INDENT + source)
    return "\n".join(told)
