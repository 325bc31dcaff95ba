"""Kinds of tasks: what programs that use them mean, in a run and as plain sequential programs."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from kinds_programs import (
    add,
    anyway,
    between,
    blocks,
    count_lines,
    dealt_out,
    each_rank,
    echo,
    extend,
    failing_rank,
    failing_shell,
    first_rank,
    general,
    grep,
    length,
    missing,
    never,
    nodes,
    not_there,
    note_length,
    number,
    picky,
    print_words,
    read_later,
    say_folder,
    say_given_folder,
    say_openmp,
    say_ranks,
    say_threads,
    shell,
    sort_in_place,
    strict_shell,
    two_programs,
)

from continuum.model.errors import InvalidInputError
from continuum.workflow import (
    binary,
    http,
    implement,
    mpi,
    open_file,
    reduction,
    software,
    task,
    wait_on,
)
from continuum.workflow.kinds.arguments import Arguments

needs_mpi = pytest.mark.skipif(shutil.which("mpirun") is None, reason="Debian's openmpi-bin is not installed")


def read(path):
    with open_file(str(path)) as file:
        return file.read()


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("pear\napple\npear tree\n")
    return str(path)


# ---- programs ----


@pytest.mark.usefixtures("either_way")
def test_a_program_returns_its_exit_status(words):
    assert wait_on(count_lines("pear", words)) == 0
    assert wait_on(count_lines("plum", words)) == 1
    assert wait_on(shell("exit 7")) == 7
    assert wait_on(shell("kill -TERM $$")) == 128 + 15


@pytest.mark.usefixtures("either_way")
def test_standard_streams_are_files(words, tmp_path):
    found = tmp_path / "found"
    assert wait_on(grep("tree", words, str(found))) == 0
    assert read(found) == "pear tree\n"


@pytest.mark.usefixtures("either_way")
def test_prefixes_stand_before_values_and_hide_parameters(tmp_path):
    target = tmp_path / "printed"
    print_words("%s|", "a b", "hidden", str(target))
    assert read(target) == "--a b|"


@pytest.mark.usefixtures("either_way")
def test_a_program_may_change_a_file(words):
    sort_in_place(words)
    assert read(words) == "apple\npear\npear tree\n"


@pytest.mark.usefixtures("either_way")
def test_a_program_runs_in_a_folder_of_its_own_or_in_the_one_it_is_given(tmp_path):
    say_folder(str(tmp_path / "own"))
    say_folder(str(tmp_path / "other"))
    say_given_folder(str(tmp_path), str(tmp_path / "given"))
    own, other = read(tmp_path / "own").strip(), read(tmp_path / "other").strip()
    assert own != other
    assert read(tmp_path / "given").strip() == str(tmp_path / "inner")


@pytest.mark.usefixtures("either_way")
def test_a_program_fails_by_its_exit_status():
    with pytest.raises(Exception, match=r"(?s)ended with status 3.*what went wrong"):
        wait_on(_fails_loudly("echo what went wrong >&2; exit 3"))


@binary("sh", args="-c {{script}}")
@task(returns=int, on_failure="CANCEL_SUCCESSORS")
def _fails_loudly(script):
    pass


@pytest.mark.usefixtures("either_way")
def test_a_program_that_is_not_there_is_a_failure_and_no_status():
    assert wait_on(missing()) is None
    assert wait_on(failing_shell("exit 1")) is None
    assert wait_on(strict_shell("exit 0")) == 0


def test_computing_units_are_threads(run, tmp_path):
    say_threads(str(tmp_path / "threads"))
    say_openmp(str(tmp_path / "openmp"))
    assert read(tmp_path / "threads") == "2 2\n"
    assert read(tmp_path / "openmp") == "2\n"


def test_what_programs_print_is_in_the_log_of_the_run(run):
    wait_on(shell("echo out of a program; echo also this >&2"))
    # the log of a run on this machine lies in its folder; that the lines are tagged is the engine's own test


# ---- MPI ----


@needs_mpi
@pytest.mark.usefixtures("either_way")
def test_a_program_runs_in_ranks(tmp_path):
    assert wait_on(say_ranks(str(tmp_path / "ranks"))) == 0
    assert sorted(read(tmp_path / "ranks").splitlines()) == ["0 of 2", "1 of 2"]


@needs_mpi
@pytest.mark.usefixtures("either_way")
def test_a_function_runs_in_ranks_and_each_gives_its_value():
    assert [each[:2] for each in wait_on(each_rank([1, 2]))] == [(0, 3), (1, 3)]
    assert wait_on(first_rank(2)) == (0, 2)


@needs_mpi
@pytest.mark.usefixtures("either_way")
def test_ranks_get_their_blocks_of_a_collection():
    values = [number(each) for each in range(4)]
    assert wait_on(blocks(values)) == [[0, 1], [2, 3]]
    assert wait_on(dealt_out(list(range(5)))) == [[0, 2, 4], [1, 3]]


@needs_mpi
@pytest.mark.usefixtures("either_way")
def test_what_the_first_rank_changes_comes_back():
    values = [7]
    extend(values)
    assert wait_on(values) == [7, 2]


@needs_mpi
@pytest.mark.usefixtures("either_way")
def test_a_rank_that_fails_fails_the_task():
    assert wait_on(failing_rank()) is None


@needs_mpi
@pytest.mark.usefixtures("either_way")
def test_several_programs_are_one_task_of_mpi(tmp_path):
    assert wait_on(two_programs("word", str(tmp_path / "said"))) == 0
    assert sorted(read(tmp_path / "said").splitlines()) == ["first word", "second word"]


def test_ranks_take_their_units_each():
    needs = each_rank.needs_of(([],), {})
    assert (needs.computing_units, each_rank.engine_for(needs)) == (2, "process")
    assert first_rank.needs_of((5,), {}).computing_units == 5


@pytest.mark.usefixtures("either_way")
def test_a_task_of_several_machines_is_told_which():
    assert wait_on(nodes()) == ("1", 1)


# ---- around tasks ----


@pytest.mark.usefixtures("either_way")
def test_programs_run_before_and_after_a_task(tmp_path):
    log = tmp_path / "log"
    assert wait_on(between(str(log), 1)) == 2
    assert log.read_text().split() == ["begun", "between", "ended"]


@pytest.mark.usefixtures("either_way")
def test_a_prolog_that_fails_fails_the_task_if_it_says_so(tmp_path):
    assert wait_on(never(str(tmp_path / "log"))) is None
    assert not (tmp_path / "log").exists()
    assert wait_on(anyway()) == 1


# ---- input and output, reductions ----


@pytest.mark.usefixtures("either_way")
def test_tasks_of_input_and_output_give_their_values():
    assert wait_on([read_later(each) for each in range(5)]) == [0, 1, 2, 3, 4]


def test_tasks_of_input_and_output_take_no_unit():
    needs = read_later.needs_of((1,), {})
    assert (needs.computing_units, read_later.engine_for(needs)) == (0, "process")


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9, 10, 28])
def test_a_reduction_is_a_tree_of_tasks(count):
    assert wait_on(add([number(each) for each in range(count)])) == sum(range(count))


def test_a_reduction_makes_as_many_tasks_as_chunks(run):
    before = len(run.driver.graph.tasks) if hasattr(run.driver.graph, "tasks") else None
    assert wait_on(add([1] * 9)) == 9
    assert before is None or len(run.driver.graph.tasks) >= before


@pytest.mark.usefixtures("either_way")
def test_a_program_whose_status_nobody_declares_returns_nothing():
    silent = binary("true")(task()(_nothing))
    assert wait_on(silent()) is None


def _nothing():
    pass


# ---- requests ----


class _Service(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/length/"):
            text = unquote(self.path.removeprefix("/length/"))
            kind = "text/plain" if text == "plain" else "application/json"
            self._answer(200, json.dumps({"length": len(text), "text": text}), kind)
        else:
            self._answer(404, "nothing here")

    def do_POST(self):
        self._answer(200, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, status, text, kind="application/json"):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    patch = pytest.MonkeyPatch()
    patch.setenv("CONTINUUM_SERVICE_COUNTER", f"http://127.0.0.1:{server.server_port}")
    yield f"http://127.0.0.1:{server.server_port}"
    patch.undo()
    server.shutdown()
    server.server_close()
    thread.join(10)


def _at(url, decorated):
    """Return a task like `decorated` whose service is at `url`: workers of the shared run began before it."""
    return http(url, resource="length/{{text}}", produces="{'length': '{{return_0}}'}")(
        task(returns=int)(decorated)
    )


@pytest.mark.usefixtures("either_way")
def test_a_request_is_a_task_and_takes_the_outputs_of_others(service):
    ask = _at(service, _text)
    assert wait_on(ask("three words/here")) == 16
    assert wait_on(ask(number("seven!!"))) == 7
    assert wait_on(ask("plain")) == 5  # JSON, whatever the answer calls itself


def _text(text):
    pass


def test_a_service_is_found_by_its_name(service):
    assert wait_on(length("abc")) == 3
    assert wait_on(echo({"a": [1, 2]})) == {"a": [1, 2]}
    event = {"kind": "x"}
    note_length("four", event)
    assert event == {"kind": "x", "length": 4}
    assert wait_on(not_there()) is None


def test_a_service_that_nobody_named_is_a_failure_that_says_how_to_name_it():
    with pytest.raises(Exception, match="CONTINUUM_SERVICE_UNKNOWN_ONE"):
        http("unknown-one", resource="x")(task(returns=str)(lambda: None))()


# ---- decorators that are wrong ----


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: binary("ls")(lambda: None), "goes above @task"),
        (lambda: binary("ls", args="{{b}}")(task()(lambda a: None)), "has no parameter b"),
        (lambda: mpi(binary="a")(binary("b")(task()(lambda: None))), "is a program already"),
        (lambda: mpi(colour={})(task()(lambda: None)), "no option colour"),
        (lambda: reduction(chunk_size=1)(task()(lambda v: None)), "never end"),
        (lambda: reduction(chunk_size=2)(task()(lambda a, b: None)), "exactly one"),
        (lambda: http("x", request="FETCH"), "FETCH"),
        (lambda: implement(source_class="x"), "method"),
        (lambda: software("no-such.json")(lambda: None), "no-such.json"),
    ],
)
def test_a_decorator_that_cannot_mean_anything_is_refused(wrong, says):
    with pytest.raises(InvalidInputError if "no-such" not in says else Exception, match=says):
        wrong()


# ---- several ways ----


def test_a_task_is_done_in_the_way_that_fits_the_site(run):
    assert wait_on(general("x")) == "general x"  # the other way needs software that is not here
    assert wait_on(picky("x")) == "simple x"


def test_without_a_run_the_task_that_is_called_is_done():
    assert wait_on(general("x")) == "general x"


# ---- decorators in a file ----


def test_decorators_come_from_a_file(either_way, tmp_path, words):
    (tmp_path / "count.json").write_text(
        json.dumps(
            {
                "execution": {
                    "type": "binary",
                    "binary": "grep",
                    "args": "-c {{word}} {{text}}",
                    "fail_by_exit_value": False,
                },
                "parameters": {"text": "FILE_IN", "returns": "int"},
                "constraints": {"computing_units": 1},
                "prolog": {"binary": "true"},
                "epilog": {"binary": "test", "args": "-e {{text}}", "fail_by_exit_value": True},
            }
        )
    )

    @software(str(tmp_path / "count.json"))
    def count(word, text):
        pass

    assert wait_on(count("plum", words)) == 1
    assert count.kind.program.binary == "grep"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"execution": {"type": "cobol"}}, "cobol"),
        ({"colour": "red"}, "colour"),
        ({"execution": {"type": "binary", "colour": "red", "binary": "ls"}}, "colour"),
        ([], "no JSON object"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, document, says):
    (tmp_path / "wrong.json").write_text(json.dumps(document))
    with pytest.raises(InvalidInputError, match=says):
        software(str(tmp_path / "wrong.json"))(lambda: None)


def test_a_call_of_many_words_and_values_is_one_command_line():
    given = Arguments(
        lambda a, b, flag, values, nothing=None: None, {}, ("two words", 1.5, True, [1, ["x", 2]]), {}
    )
    assert given.words() == ["two words", "1.5", "true", "1", "x", "2"]
    assert given.fill_words("-a={{a}} {{values}} '{{b}} units'") == [
        "-a=two words",
        "1",
        "x",
        "2",
        "1.5 units",
    ]
    with pytest.raises(InvalidInputError, match="no command line"):
        Arguments(lambda a: None, {}, (object(),), {}).words()
