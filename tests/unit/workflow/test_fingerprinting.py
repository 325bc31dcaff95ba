"""Names of calls: the same in every process for the same call of the same program, else different."""

import subprocess
import sys

from continuum.model.tasks import Datum, DatumState, Task
from continuum.workflow.dispatching import Payload
from continuum.workflow.fingerprinting import Names, digest_of_bytes, digest_of_file, digest_of_function
from continuum.workflow.messages import FunctionCode, Output

PROGRAM = """
import sys
sys.modules["__main__"].__dict__.update(globals())
from continuum.workflow.fingerprinting import digest_of_function, _without_trackers
from continuum.workflow.serialising import dump_call

FACTOR = {factor}

def helper(x):
    return {body}

def work(x, among=3):
    return helper(x) * FACTOR if x in {{"a", "b", "c", "d"}} else len([y for y in x if y])

class Thing:
    def __init__(self):
        self.size = 3

call = dump_call((Thing(), 7), {{}})
import hashlib
print(digest_of_function(work), hashlib.sha256(_without_trackers(call)).hexdigest(), b"__main__" in call)
"""


def say(seed="1", factor="2", body="x + 1"):
    program = PROGRAM.format(factor=factor, body=body)
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_functions_and_objects_of_the_main_program_are_named_alike_in_every_process():
    first, second = say("1"), say("2")
    assert first == second
    assert first[2] == "True"


def test_a_function_is_another_one_once_something_that_it_uses_was_changed():
    names = {say()[0], say(factor="3")[0], say(body="x + 2")[0], say(body="x - 1")[0]}
    assert len(names) == 4


def call(names, *reads, function="f", arguments=b"call", writes=1):
    data = [Datum(f"d{id(object())}v1") for _ in range(writes)]
    code = FunctionCode(function="0", name=function, pickled=b"", content=function)
    outputs = tuple(Output(datum=datum.id, index=index) for index, datum in enumerate(data))
    task = Task(1, function, reads, data, payload=Payload(code, arguments, outputs, writes))
    names.name(task)
    return task


def base(content):
    datum = Datum("d1v1")
    datum.inline, datum.state = content, DatumState.READY
    return datum


def program(names, content=b"1"):
    first = call(names, base(content), writes=2)
    second = call(names, *first.writes, function="g")
    return [first.key, second.key, *(datum.identity for datum in first.writes)]


def test_calls_are_named_by_function_arguments_and_where_their_data_come_from():
    assert program(Names()) == program(Names())
    assert len(set(program(Names()))) == 3  # the first of what a task writes has the task's name
    assert not set(program(Names())) & set(program(Names(), b"2"))
    assert call(Names(), arguments=b"other").key != call(Names()).key
    assert call(Names(), function="g").key != call(Names()).key


def test_equal_calls_are_told_apart_by_their_number():
    names = Names()
    again = [call(names).key for _ in range(3)]
    assert len(set(again)) == 3
    names = Names()
    assert [call(names).key for _ in range(3)] == again


def test_a_file_is_what_its_bytes_are(tmp_path):
    (tmp_path / "a").write_bytes(b"12345" * 100_000)
    assert digest_of_file(tmp_path / "a") == digest_of_bytes(b"12345" * 100_000)


def test_functions_that_use_each_other_can_be_named():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert digest_of_function(even) != digest_of_function(odd)
