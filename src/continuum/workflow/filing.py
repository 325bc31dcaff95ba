"""Files of the program and objects of the store, as parameters of tasks.

A path names a file of the program's machine: tasks read and write versions of it at their sites, and the
program sees the newest one at that path after it waited for it (`open_file`, `wait_on_file`) and when it
ends. What the program itself writes there in between is noticed by time and size. A file is read when the
first task needs it, not copied at the call; files up to the inline limit are.

`s3://bucket/key` names an object of the global store: read where it is, written by whom it is an output of.
As an object has one name for all its versions, a task that overwrites it waits for those that read it before.
"""

import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from continuum.model import stories
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.tasks import Datum, DatumState, Task, TaskState
from continuum.workflow.capturing import newest, stamp_of
from continuum.workflow.directories import PackedDirectories, is_directory, replace_directory
from continuum.workflow.driver import Op
from continuum.workflow.folders import remove_tree
from continuum.workflow.futures import Variable
from continuum.workflow.messages import ObjectName
from continuum.workflow.packing import stamp_of_tree

if TYPE_CHECKING:
    from continuum.workflow.running import Run

SCHEME = "s3://"
_UNSETTLED = frozenset(
    (TaskState.WAITING, TaskState.READY, TaskState.MOVING, TaskState.SUBMITTED, TaskState.RUNNING)
)


def parse_object_uri(uri: str) -> ObjectName:
    """Return the object that `s3://bucket/key` names. Raises `InvalidInputError`."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise InvalidInputError(f"{uri!r} names no object", hint="write s3://BUCKET/KEY")
    return ObjectName(bucket=bucket, key=key)


class Files:
    """The files and objects that the tasks of a run use, by name."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._variables: dict[str, Variable] = {}
        self._used: list[Variable] = []
        self._packed = PackedDirectories()
        self.has_objects = False

    # ---- what a parameter names ----

    def variable_of(self, parameter: str, value: Any, *, is_folder: bool = False) -> Variable:
        """Return the file, directory or object that `value` names."""
        if not isinstance(value, str | os.PathLike):
            raise InvalidInputError(
                f"the parameter {parameter} must be a path or an s3:// URI, not {value!r}"
            )
        name = _name(os.fspath(value))
        if is_folder:
            if name.startswith(SCHEME):
                raise InvalidInputError(
                    f"{value} (parameter {parameter}) cannot be a directory of a task",
                    hint="name its objects: COLLECTION_FILE_IN with a list of s3:// URIs",
                )
            name += "/"
        variable = self._variables.get(name)
        if variable is None:
            variable = self._variables[name] = self._run.new_variable(name=name)
        if name.startswith(SCHEME):
            self.has_objects = True
            parse_object_uri(name)
            self._used.append(variable)
        return variable

    def base_name(self, variable: Variable) -> str:
        """Return the last part of its name: what a task sees."""
        if is_directory(variable):
            return variable.name[:-1].rpartition("/")[2] + "/"
        return variable.name.rpartition("/")[2]

    def is_there(self, variable: Variable) -> bool:
        """Whether a directory exists for the program now, as far as it has called tasks."""
        return variable.written_by_task or Path(variable.name).is_dir()

    def object_of(self, variable: Variable) -> ObjectName | None:
        """Return the object of the store that it is, or None for a file."""
        return parse_object_uri(variable.name) if variable.name.startswith(SCHEME) else None

    def current(self, parameter: str, variable: Variable) -> Datum:
        """Return the version that a task reads if it is called now. Raises `NotFoundError`."""
        if variable.name.startswith(SCHEME):
            return variable.datum or self._locate(variable)
        path = Path(variable.name)
        if variable.written_by_task and not self._was_changed(variable, path):
            return newest(variable)
        try:
            stamp = _stamp_of(path, variable)
        except OSError as problem:
            raise NotFoundError(
                f"the {_kind(variable)} {variable.name} (parameter {parameter})"
                f" cannot be read: {problem.strerror}"
            ) from problem
        if variable.datum is None or stamp != variable.stamp or variable.datum.state is DatumState.FAILED:
            self._take(variable, path, stamp)
        return newest(variable)

    def _was_changed(self, variable: Variable, path: Path) -> bool:
        """Whether the program wrote the file after it had got the tasks' version."""
        if variable.stamp is None:
            return False
        try:
            return _stamp_of(path, variable) != variable.stamp
        except OSError:
            return False

    def _take(self, variable: Variable, path: Path, stamp: tuple[int, int]) -> None:
        before = variable.datum
        datum = variable.renew(is_file=True, name=self.base_name(variable))
        self.note_name(datum, variable)
        variable.stamp = stamp
        variable.written_by_task = False
        datum.size_bytes = stamp[1]
        if is_directory(variable):
            path = self._packed.pack(path)
            datum.size_bytes = path.stat().st_size
        if datum.size_bytes <= self._run.spec.inline_limit_bytes:
            datum.inline = path.read_bytes()
            datum.size_bytes = len(datum.inline)
            datum.state = DatumState.READY
        else:
            datum.origin = path
        self._run.driver.took(
            datum, path, variable.name
        )  # a run that was resumed may know that this is not its content
        if datum.origin is not None:
            self._run.driver.post(Op.SUPPLY, datum)
        if before is not None:
            self._run.driver.post(Op.RELEASE, before)

    def _locate(self, variable: Variable) -> Datum:
        datum = variable.renew(is_file=True, name=self.base_name(variable))
        datum.published = parse_object_uri(variable.name)
        datum.is_external = True
        self.note_name(datum, variable)
        self._run.driver.post(Op.LOCATE, datum)
        return datum

    def note_name(self, datum: Datum, variable: Variable, *, is_output: bool = False) -> None:
        """Keep in the journal what a datum is called outside the run."""
        named = stories.Named(at=time.time(), datum=datum.id, name=variable.name, is_output=is_output)
        self._run.driver.post(Op.RECORD, named)

    # ---- order of tasks that use one object ----

    def after_of(self, written: Sequence[Variable]) -> list[Task]:
        """Return the tasks that must have ended before these are written again."""
        after: list[Task] = []
        for variable in written:
            after += [task for task in variable.users or () if task.state in _UNSETTLED]
        return after

    def note_use(self, task: Task) -> None:
        """The call that used the latest objects is this task."""
        for variable in self._used:
            users = [user for user in variable.users or () if user.state in _UNSETTLED]
            variable.users = [*users, task]
        self._used.clear()

    # ---- the program's own use ----

    def open(self, value: Any, mode: str = "r") -> IO[Any]:
        """Open the newest version. Writing makes a version of the program's own."""
        variable = self.variable_of("file", value)
        self._used.clear()
        if variable.name.startswith(SCHEME):
            return self._open_object(variable, mode)
        if not mode.startswith(("w", "x")):
            self.bring(variable)
        if any(letter in mode for letter in "wax+"):
            variable.written_by_task = False  # what the program is about to write counts from now on
            variable.stamp = None
        return Path(variable.name).open(mode)

    def _open_object(self, variable: Variable, mode: str) -> IO[Any]:
        if any(letter in mode for letter in "wax+"):
            raise InvalidInputError(
                f"{variable.name} can only be read here", hint="let a task write it: FILE_OUT with this URI"
            )
        data = io.BytesIO(self._run.fetch(variable.datum or self._locate(variable)))
        return data if "b" in mode else io.TextIOWrapper(data, encoding="utf-8")

    def wait(self, value: Any) -> None:
        """Wait for the newest version; a file then is at its path."""
        variable = self.variable_of("file", value, is_folder=self._is_known_directory(value))
        self._used.clear()
        if variable.name.startswith(SCHEME):
            if variable.datum is not None:
                self._run.settle(variable.datum)
        else:
            self.bring(variable)

    def bring(self, variable: Variable) -> None:
        """Put the newest version that tasks wrote where the program sees it."""
        if variable.sharing is not None:
            variable.sharing.close(variable)
        variable.chain = None
        if not variable.written_by_task or variable.stamp is not None or variable.datum is None:
            return
        datum = variable.datum
        synchronised = stories.Synchronised(at=time.time(), data=(datum.id,))
        self._run.driver.post(Op.RECORD, synchronised)
        data = self._run.fetch(datum)
        path = Path(variable.name)
        if is_directory(variable):
            self._run.driver.bringing(path, data)
            replace_directory(path, data)
            variable.stamp = stamp_of_tree(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        self._run.driver.bringing(path, data)
        temporary.replace(path)
        variable.stamp = stamp_of(path)

    def close_sharings(self) -> None:
        """Have what tasks that share a file changed put together: nobody calls any more of them."""
        for variable in self._variables.values():
            if variable.sharing is not None:
                variable.sharing.close(variable)

    def bring_all(self) -> None:
        """Bring every file whose newest version is there."""
        for variable in self._variables.values():
            datum = variable.datum
            is_file = not variable.name.startswith(SCHEME)
            is_one = variable.sharing is None  # else the run ended before that
            if is_file and is_one and datum is not None and datum.state is DatumState.READY:
                self.bring(variable)

    def delete(self, value: Any) -> bool:
        """Forget a file and delete it at the program's side; return whether it was known."""
        name = _name(os.fspath(value)) + "/" * self._is_known_directory(value)
        variable = self._variables.pop(name, None)
        path = None if name.startswith(SCHEME) else Path(name)
        if variable is not None and variable.sharing is not None:
            variable.sharing.drop(variable)
        if variable is not None and variable.datum is not None:
            if variable.datum.state is DatumState.PENDING and not variable.written_by_task:
                self._run.driver.wait_for([variable.datum])
            self._run.driver.post(Op.RELEASE, variable.datum)
        if path is not None and name.endswith("/"):
            remove_tree(path)
        elif path is not None:
            path.unlink(missing_ok=True)
        return variable is not None

    def _is_known_directory(self, value: Any) -> bool:
        return isinstance(value, str | os.PathLike) and _name(os.fspath(value)) + "/" in self._variables


def _name(text: str) -> str:
    return text if text.startswith(SCHEME) else os.path.abspath(text)  # noqa: PTH100 - Path.resolve follows links


def _kind(variable: Variable) -> str:
    return "directory" if is_directory(variable) else "file"


def _stamp_of(path: Path, variable: Variable) -> tuple[int, int]:
    return stamp_of_tree(path) if is_directory(variable) else stamp_of(path)
