"""Random programs give the same on one site and on two, where data cross, as read from top to bottom.

Values of a few bytes count as large here, so that nearly all data are kept at sites, published and fetched.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import random_tasks as tasks
from directory_store import DirectoryStoreProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.store import ObjectClient
from continuum.workflow import (
    Driver,
    LocalExecutor,
    Run,
    barrier,
    delete_object,
    open_file,
    use_run,
    wait_on,
    wait_on_directory,
    wait_on_file,
)
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
EXAMPLES = int(os.environ.get("RANDOM_PROGRAMS", "25"))
LARGE_FROM_BYTES = 64

Step = tuple[str, int, int, int]
CALLS = [
    "combine",
    "split",
    "append",
    "append",
    "append_and_tell",
    "fill",
    "swap",
    "tell",
    "put_in",
    "put_in",
    "put_in_too",
    "put_in_both",
    "tell_bag",
    "change_each",
    "append_to_each",
    "fill_each",
    "tell_collection",
    "change_rows",
    "whole",
    "change_table",
    "tell_table",
    "write",
    "extend",
    "extend_any_order",
    "extend_at_once",
    "extend_at_once",
    "put_in_too",
    "read",
    "extend_each",
    "make_folder",
    "extend_folder",
    "read_folder",
]
LOOKS = [
    "wait_result",
    "wait_list",
    "wait_bag",
    "wait_collection",
    "wait_rows",
    "wait_table",
    "open",
    "wait_file",
    "wait_folder",
    "barrier",
    "delete",
]


class Program:
    """Executes the steps of a program and notes what it sees. `pinned`: sites are chosen by the steps."""

    def __init__(self, folder: Path, *, pinned: bool) -> None:
        self.pinned = pinned
        self.seen: list[Any] = []
        self.results: list[Any] = [1, 2, 3]
        self.lists = [[number] * 5 for number in range(3)]
        self.bags = [[], [7] * 20]
        self.collections = [[1, 2, 3], [4, object()]]
        self.rows = [[[1, 2], [3]], [[4], [5, 6]]]
        self.tables = [{"a": [1], "b": [2]}, {"c": [3] * 20}]
        self.paths = [str(folder / f"file{number}") for number in range(3)]
        for path in self.paths:
            Path(path).write_text("1\n" * 30)
        self.collections[1][1] = 5
        self.folder = folder / "folder"
        self.folder.mkdir()

    def call(self, name: str, site: int) -> Any:
        return getattr(tasks, name)[tasks.SITES[site % 2] if self.pinned and site % 3 else ""]

    def result(self, which: int) -> Any:
        return self.results[which % len(self.results)]

    def do(self, step: Step) -> None:
        name, first, second, site = step
        method = getattr(self, f"do_{name}", None)
        if method is not None:
            method(first, second, site)
            return
        made = self.call(name, site)(self.value_for(name, first), self.result(second))
        self.keep(made)

    def keep(self, made: Any) -> None:
        for each in made if isinstance(made, list | tuple) else [made]:
            if each is not None:
                self.results.append(each)

    def value_for(self, name: str, which: int) -> Any:
        family = {
            "combine": self.results,
            "put_in": self.bags,
            "put_in_too": self.bags,
            "change_each": self.collections,
            "fill_each": self.collections,
            "change_rows": self.rows,
            "change_table": self.tables,
            "write": self.paths[:2],
            "extend": self.paths[:2],
            "extend_any_order": self.paths,
            "extend_at_once": self.paths[1:],
        }.get(name, self.lists)
        return family[which % len(family)]

    # ---- calls of another form ----

    def do_split(self, first: int, _: int, site: int) -> None:
        self.keep(self.call("split", site)(self.result(first)))

    def do_swap(self, first: int, second: int, site: int) -> None:
        self.call("swap", site)(self.lists[first % 3], self.lists[(first + 1 + second % 2) % 3])

    def do_put_in_both(self, first: int, second: int, site: int) -> None:
        one, two = self.bags if first % 2 else reversed(self.bags)
        self.call("put_in_both", site)(one, two, self.result(second))

    def do_tell(self, first: int, _: int, site: int) -> None:
        self.keep(self.call("tell", site)(self.lists[first % 3]))

    def do_tell_bag(self, first: int, _: int, site: int) -> None:
        self.keep(self.call("tell_sorted", site)(self.bags[first % 2]))

    def do_append_to_each(self, first: int, second: int, site: int) -> None:
        chosen = [self.lists[first % 3], self.lists[(first + 1) % 3]]
        self.call("append_to_each", site)(tuple(chosen) if second % 2 else chosen, self.result(second))

    def do_tell_collection(self, first: int, _: int, site: int) -> None:
        self.keep(self.call("tell_collection", site)(self.collections[first % 2]))

    def do_whole(self, first: int, second: int, site: int) -> None:
        self.call("append", site)(self.collections[first % 2], self.result(second))

    def do_tell_table(self, first: int, _: int, site: int) -> None:
        self.keep(self.call("tell_table", site)(self.tables[first % 2]))

    def do_read(self, first: int, _: int, site: int) -> None:
        self.keep(self.call("read", site)(self.paths[first % 3]))

    def do_extend_each(self, _: int, second: int, site: int) -> None:
        self.call("extend_each", site)(self.paths[:2], self.result(second))

    def do_make_folder(self, first: int, _: int, site: int) -> None:
        self.call("make_folder", site)(self.folder, self.result(first))

    def do_extend_folder(self, first: int, _: int, site: int) -> None:
        self.call("extend_folder", site)(self.folder, self.result(first))

    def do_read_folder(self, _: int, __: int, site: int) -> None:
        self.keep(self.call("read_folder", site)(self.folder))

    # ---- what the program itself looks at, and changes ----

    def do_wait_result(self, first: int, second: int, _: int) -> None:
        self.seen.append(wait_on(self.result(first)))
        self.seen.append(wait_on([self.result(second), {"x": self.result(first)}]))

    def look(self, family: list[Any], which: int, change: int) -> None:
        which %= len(family)
        family[which] = value = wait_on(family[which])
        self.seen.append(tasks.hash_of(value))
        if change % 2 and isinstance(value, list):
            value.append(change)

    def do_wait_list(self, first: int, second: int, _: int) -> None:
        self.look(self.lists, first, second)

    def do_wait_bag(self, first: int, *_: int) -> None:
        self.bags[first % 2] = sorted(wait_on(self.bags[first % 2]))
        self.seen.append(tasks.hash_of(self.bags[first % 2]))

    def do_wait_collection(self, first: int, second: int, _: int) -> None:
        self.look(self.collections, first, second)

    def do_wait_rows(self, first: int, *_: int) -> None:
        self.look(self.rows, first, 0)

    def do_wait_table(self, first: int, *_: int) -> None:
        self.look(self.tables, first, 0)

    def do_open(self, first: int, second: int, _: int) -> None:
        path = self.paths[first % 3]
        with open_file(path) as file:
            self.seen.append(sum(map(int, file.read().split())))
        if second % 2:
            with open_file(path, "a") as file:
                file.write(f"{second}\n")

    def do_wait_file(self, first: int, *_: int) -> None:
        path = self.paths[first % 3]
        wait_on_file(path)
        self.seen.append(sum(map(int, Path(path).read_text().split())))

    def do_wait_folder(self, first: int, second: int, _: int) -> None:
        wait_on_directory(self.folder)
        files = sorted(path.name for path in self.folder.iterdir())
        self.seen += [files, tasks.read_folder[""].function(self.folder)]
        if second % 2:
            (self.folder / f"program{first}").write_text("5")

    def do_barrier(self, *_: int) -> None:
        barrier()

    def do_delete(self, first: int, *_: int) -> None:
        delete_object(self.lists[first % 3])
        self.lists[first % 3] = [first]

    def finish(self) -> list[Any]:
        self.seen.append(wait_on(self.results))
        everything = [self.lists, self.collections, self.rows, self.tables]
        self.seen.append(tasks.hash_of([tasks.hash_of(wait_on(family)) for family in everything]))
        self.seen.append([sorted(wait_on(bag)) for bag in self.bags])
        for number in range(3):
            self.do_open(number, 0, 0)
        self.do_wait_folder(0, 0, 0)
        return self.seen


def execute(steps: list[Step], folder: Path, *, pinned: bool = False) -> list[Any]:
    folder.mkdir()
    program = Program(folder, pinned=pinned)
    for step in steps:
        program.do(step)
    return program.finish()


def open_run(sites: tuple[str, ...], store: DirectoryStoreProcess) -> Run:
    executors = [
        LocalExecutor(
            site,
            computing_units=1,
            objects=ObjectClient(store.endpoint, store.access_key, store.secret_key),
        )
        for site in sites
    ]
    name = "random-" + "-".join(sites)
    spec = RunSpec(
        run_id=name,
        application="random",
        code=archive_modules(Path(__file__)),
        objects=ObjectName("continuum-runs", name),
        inline_limit_bytes=LARGE_FROM_BYTES,
    )
    driver = Driver(spec, executors, Journal(None))
    driver.start()
    return Run(driver)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectoryStoreProcess]:
    running = DirectoryStoreProcess(tmp_path_factory.mktemp("store"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def runs(store: DirectoryStoreProcess) -> Iterator[dict[str, Run]]:
    with ExitStack() as stack:
        made = {"one": open_run(("edge",), store), "two": open_run(tasks.SITES, store)}
        for run in made.values():
            stack.callback(run.driver.close)
        yield made


steps = st.lists(
    st.tuples(
        st.sampled_from([*CALLS, *CALLS, *LOOKS]), st.integers(0, 30), st.integers(0, 30), st.integers(0, 5)
    ),
    max_size=25,
)


@pytest.mark.parametrize("sites", ["one", "two"])
def test_a_random_program_gives_what_it_gives_sequentially(sites, runs, tmp_path):
    numbers = iter(range(1_000_000))

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(program=steps)
    def check(program: list[Step]) -> None:
        number = next(numbers)
        expected = execute(program, tmp_path / f"plain{number}")
        with use_run(runs[sites]):
            assert execute(program, tmp_path / f"run{number}", pinned=sites == "two") == expected

    check()
