"""Conformance of engines: what goes into tasks and comes out of them."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from continuum.testing.benches import EngineBench, Slot
from continuum.workflow.engines import DatumKind, FailureKind, Input, Output, dump_call, dumps


class ValueConformance:
    """Values, data, files."""

    # ---- values ----

    def test_a_task_returns_its_value(self, bench: EngineBench) -> None:
        def add(a: Any, b: Any) -> Any:
            return a + b

        task = bench.submit(add, 2, 3)
        assert bench.value(task) == 5
        answer = bench.finished(task)
        assert answer.attempt == 1
        assert answer.run_s >= 0
        assert abs(answer.started_at - time.time()) < 60
        assert answer.worker

    def test_several_values_become_several_data(self, bench: EngineBench) -> None:
        def pair() -> Any:
            return 1, "two"

        task = bench.submit(pair, n=2)
        assert (bench.value(task, 0), bench.value(task, 1)) == (1, "two")

    def test_another_number_of_values_than_declared_fails_and_says_so(self, bench: EngineBench) -> None:
        def triple() -> Any:
            return 1, 2, 3

        failure = bench.failure(bench.submit(triple, n=2))
        assert failure.kind is FailureKind.UNFIT_OUTPUT
        assert "3 values" in failure.message

    def test_a_large_value_lies_in_the_folder_and_the_next_task_may_change_its_view(
        self, bench: EngineBench
    ) -> None:
        def make() -> Any:
            return np.arange(100_000.0)

        def spoil(array: Any) -> Any:
            array[:] = 0
            return float(array.sum())

        first = bench.submit(make)
        produced = bench.finished(first).outputs[0]
        assert produced.inline is None
        assert produced.size_bytes > 800_000
        datum = produced.datum
        spoiled = bench.submit(spoil, Slot(0), inputs=(Input(datum=datum),))
        assert bench.value(spoiled) == 0.0
        assert np.array_equal(bench.datum(datum), np.arange(100_000.0))

    def test_inputs_come_inline_or_from_the_folder_at_any_depth(self, bench: EngineBench) -> None:
        def combine(values: Any, *, more: Any) -> Any:
            return values[0] + values[1]["x"] + more

        bench.folder.write("here", [dumps(30)])
        code, spec = bench.spec(
            combine,
            dump_call(
                ([1, {"x": (slot := Slot(0))}],),
                {"more": Slot(1)},
                lambda value: value.index if isinstance(value, Slot) else None,
            ),
            inputs=(Input(datum="inline", inline=dumps(200)), Input(datum="here")),
            outputs=(Output(datum="sum"),),
            return_count=1,
        )
        assert slot.index == 0
        bench.engine.submit([code], [spec])
        assert bench.value(spec.task_id) == 231

    def test_a_changed_parameter_becomes_a_new_datum_and_the_old_one_stays(self, bench: EngineBench) -> None:
        def extend(items: Any, item: Any) -> Any:
            items.append(item)

        bench.folder.write("v1", [dumps([1])])
        task = bench.submit(
            extend,
            Slot(0),
            2,
            n=0,
            inputs=(Input(datum="v1"),),
            outputs=(Output(datum="v2", parameter="items"),),
        )
        assert bench.value(task) == [1, 2]
        assert bench.datum("v1") == [1]

    def test_an_object_and_its_method_work_as_a_function_with_self(self, bench: EngineBench) -> None:
        class Counter:
            def __init__(self) -> None:
                self.count = 0

            def increase(self, by: int) -> int:
                self.count += by
                return self.count

        task = bench.submit(
            Counter.increase,
            Counter(),
            5,
            outputs=(Output(datum="result"), Output(datum="self", parameter="self")),
        )
        assert bench.value(task, 0) == 5
        assert bench.value(task, 1).count == 5

    def test_a_missing_input_is_named(self, bench: EngineBench) -> None:
        failure = bench.failure(bench.submit(lambda x: x, Slot(0), inputs=(Input(datum="gone"),)))
        assert failure.kind is FailureKind.INPUT_LOST
        assert failure.lost_datum == "gone"

    # ---- files ----

    def test_a_file_output_is_kept_and_a_file_input_has_its_name(self, bench: EngineBench) -> None:
        def write(path: Any) -> Any:
            Path(path).write_text("x" * 10_000)

        def look(path: Any) -> Any:
            return Path(path).name, len(Path(path).read_text())

        file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="data.txt")
        first = bench.submit(write, "/somewhere/else/data.txt", n=0, outputs=(file,))
        assert bench.finished(first).outputs[0].size_bytes == 10_000
        given = Input(datum="f1", kind=DatumKind.FILE, file_name="data.txt")
        assert bench.value(bench.submit(look, Slot(0), inputs=(given,))) == ("data.txt", 10_000)

    def test_a_small_file_travels_inline(self, bench: EngineBench) -> None:
        def write(path: Any) -> Any:
            Path(path).write_text("small")

        file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="a")
        assert bench.finished(bench.submit(write, "a", n=0, outputs=(file,))).outputs[0].inline == b"small"

    def test_a_changed_file_becomes_a_new_datum_and_the_old_one_stays(self, bench: EngineBench) -> None:
        def append(path: Any) -> Any:
            with Path(path).open("a") as file:
                file.write("more")

        bench.folder.write("f1", [b"x" * 5000])
        task = bench.submit(
            append,
            Slot(0),
            n=0,
            inputs=(Input(datum="f1", kind=DatumKind.FILE, file_name="log"),),
            outputs=(Output(datum="f2", kind=DatumKind.FILE, parameter="path", file_name="log"),),
        )
        bench.wait(task)
        assert bench.folder.read("f2") == b"x" * 5000 + b"more"
        assert bench.folder.read("f1") == b"x" * 5000

    def test_a_file_that_was_not_written_fails_the_task(self, bench: EngineBench) -> None:
        file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="out.txt")
        failure = bench.failure(bench.submit(lambda path: None, "out.txt", n=0, outputs=(file,)))
        assert failure.kind is FailureKind.UNFIT_OUTPUT
        assert "path" in failure.message
