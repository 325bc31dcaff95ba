"""The files of a task while it runs: in a folder of its own, each under the base name that it knows.

An input is a hard link to the datum, or a copy if the task changes it, so that nobody else's view
changes. An output is written here and renamed into the run's data. What the call says in place of a file
output's parameter does not matter: the task gets the local path.
"""

import shutil
from pathlib import Path
from typing import Any

from continuum.workflow.engines.directories import pack_output, unpack_input
from continuum.workflow.engines.elements import element_of
from continuum.workflow.engines.functions import Function, Refusal
from continuum.workflow.folders import DataFolder, file_name_of, remove_tree
from continuum.workflow.messages import DatumKind, FailureKind, Input, Output, Produced, TaskSpec


def has_files(task: TaskSpec) -> bool:
    """Tell whether a task reads or writes files."""
    for given in task.inputs:
        if given.kind is not DatumKind.OBJECT:
            return True
    return any(output.kind is not DatumKind.OBJECT for output in task.outputs)


class TaskFiles:
    """The files of one task, in a folder of its own."""

    def __init__(self, data: DataFolder, task: TaskSpec) -> None:
        self._data = data
        self._outputs = task.outputs
        self._folder = data.work / f"task-{task.task_id}-{task.attempt}"
        self._inputs: dict[str, Input] = {}
        self._paths: dict[int, str] = {}
        remove_tree(self._folder)
        self._folder.mkdir()

    def add_input(self, given: Input) -> str:
        """Return the path under which the task sees an input; `settle` puts the file there."""
        path = str(self._folder / f"in{len(self._inputs)}" / _base_name(given.file_name, given.datum))
        self._inputs[path] = given
        return path

    def output_paths(self) -> list[str | None]:
        """Return a path for every output that is a file: slots after those of the inputs.

        They come twice, forth and back: slot -1 is the path of the first output, for calls that are frozen
        before it is known how many inputs there are.
        """
        paths = [
            self._output_path(position, output) if output.kind is not DatumKind.OBJECT else None
            for position, output in enumerate(self._outputs)
        ]
        return paths + paths[::-1]

    def settle(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        """Put every input where the task expects it and every output's path where its parameter is."""
        changed = set()
        for position, output in enumerate(self._outputs):
            if output.kind is DatumKind.OBJECT or not output.parameter:
                continue
            given = element_of(function.argument(args, kwargs, output.parameter), output.element)
            if isinstance(given, str) and given in self._inputs:
                changed.add(given)
                self._paths[position] = given
            elif not output.element:  # an element of a collection is a slot: its path is there already
                path = self._output_path(position, output)
                function.set_argument(args, kwargs, output.parameter, path)
        for path, given in self._inputs.items():
            self._place(Path(path), given, as_copy=path in changed)
        return args

    def keep_output(self, position: int, output: Output, inline_limit_bytes: int) -> Produced:
        """Make what the task wrote a datum."""
        path = Path(self._paths[position])
        is_directory = output.kind is DatumKind.DIRECTORY
        if not (path.is_dir() if is_directory else path.is_file()):
            what = "make its directory" if is_directory else "write its file"
            raise Refusal(
                FailureKind.UNFIT_OUTPUT,
                f"the task did not {what} {output.parameter or output.file_name or output.datum}",
            )
        if is_directory:
            folder, path = path, self._folder / f"packed{position}"
            pack_output(output, folder, path)
        size_bytes = path.stat().st_size
        inline = path.read_bytes() if size_bytes <= inline_limit_bytes else None
        if inline is None or output.publish_as is not None:
            try:
                self._data.adopt(output.datum, path)
            except OSError as problem:
                raise not_kept(output, size_bytes, problem) from problem
        return Produced(datum=output.datum, size_bytes=size_bytes, inline=inline)

    def close(self) -> None:
        """Remove what is left."""
        remove_tree(self._folder)

    def _output_path(self, position: int, output: Output) -> str:
        path = self._paths.get(position)
        if path is None:
            folder = self._folder / f"out{position}"
            folder.mkdir()
            path = self._paths[position] = str(folder / _base_name(output.file_name, output.datum))
            if output.is_there:
                Path(path).mkdir()
        return path

    def _place(self, path: Path, given: Input, *, as_copy: bool) -> None:
        path.parent.mkdir()
        if given.kind is DatumKind.DIRECTORY:
            unpack_input(self._data, given, path)
            return
        if given.inline is not None:
            path.write_bytes(given.inline)
            return
        source = self._data.find(given.datum)
        try:
            if source is None:
                raise lost_input(given.datum)
            if as_copy:
                shutil.copyfile(source, path)
                return
            try:
                path.hardlink_to(source)
            except FileNotFoundError:
                raise
            except OSError:  # another file system, or none with links
                path.symlink_to(source)
        except FileNotFoundError as problem:
            raise lost_input(given.datum) from problem


def lost_input(datum: str) -> Refusal:
    """Return that an input is not here."""
    return Refusal(FailureKind.INPUT_LOST, f"input {datum} is not at this site", lost_datum=datum)


def not_kept(output: Output, size_bytes: int, problem: OSError) -> Refusal:
    """Return that an output could not be written."""
    return Refusal(
        FailureKind.OUTPUT_LOST,
        f"output {output.datum} of {size_bytes} bytes could not be written: {problem.strerror}",
    )


def _base_name(file_name: str, datum: str) -> str:
    name = Path(file_name).name
    return name if name not in {"", ".", ".."} else file_name_of(datum)
