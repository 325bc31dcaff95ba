"""What tasks print goes to the run's log, each line with the task that printed it.

Python's own streams are tagged line by line, so a long task can be watched. What comes past them, from C code
or a child process on descriptors 1 and 2, is collected in a file of the worker and copied, tagged, when the
task is over.
"""

import io
import os
import sys

MAX_LOG_BYTES = 256 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024  # longer ones are cut into several


class TaskOutput:
    """Catches all output of this process. `begin` and `end` frame each task."""

    def __init__(self, log_file: str, raw_file: str) -> None:
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        self._log = os.open(log_file, flags, 0o600)
        self._raw = os.open(raw_file, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC, 0o600)
        for descriptor in (1, 2):
            os.dup2(self._raw, descriptor)
        self._tag = "worker"
        self._is_full = False
        self._writers = (_TaggedWriter(self, "out", 1), _TaggedWriter(self, "err", 2))
        self._streams = (_text(self._writers[0]), _text(self._writers[1]))
        sys.stdout, sys.stderr = self._streams

    def begin(self, task_id: int) -> None:
        """From now on everything is printed by this task."""
        self._tag = f"task {task_id}"

    def end(self) -> None:
        """The task is over: write what it left unfinished."""
        for stream, writer in zip(self._streams, self._writers, strict=True):
            if not stream.closed:
                stream.flush()
            if writer.pending:
                writer.finish_line()
        if os.fstat(self._raw).st_size:
            self._collect_raw()
        if sys.stdout is not self._streams[0] or sys.stderr is not self._streams[1]:
            sys.stdout, sys.stderr = self._streams

    def _collect_raw(self) -> None:
        data = os.pread(self._raw, MAX_LOG_BYTES, 0)
        os.ftruncate(self._raw, 0)
        self.write_lines(data.splitlines(), "out")

    def write_lines(self, lines: list[bytes], stream: str) -> None:
        """Append tagged lines to the log, until it is full."""
        if self._is_full or not lines:
            return
        tag = f"[{self._tag} {stream}] ".encode()
        os.write(self._log, b"".join(tag + line + b"\n" for line in lines))
        if os.fstat(self._log).st_size > MAX_LOG_BYTES:
            self._is_full = True
            os.write(self._log, b"[log] the log is full; nothing more is written\n")


class _TaggedWriter(io.RawIOBase):
    def __init__(self, output: TaskOutput, stream: str, descriptor: int) -> None:
        self._output = output
        self._stream = stream
        self._descriptor = descriptor
        self.pending = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: object) -> int:
        chunk = bytes(memoryview(data))  # type: ignore[arg-type]  # a buffer, says io
        *lines, self.pending = (self.pending + chunk).split(b"\n")
        if len(self.pending) > MAX_LINE_BYTES:
            lines.append(self.pending)
            self.pending = b""
        self._output.write_lines(lines, self._stream)
        return len(chunk)

    def finish_line(self) -> None:
        self._output.write_lines([self.pending], self._stream)
        self.pending = b""


def _text(raw: _TaggedWriter) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
