"""Tracebacks of tasks get the source lines that their sites do not have."""

from continuum.workflow.tracing import with_source_lines


def test_lines_that_lack_their_source_get_it_and_others_stay(tmp_path):
    program = tmp_path / "app.py"
    program.write_text("def f():\n    g()\n\n\ndef g():\n    raise ValueError('no')\n")
    head, end = "Traceback (most recent call last):", "ValueError: no"
    frames = [f'  File "{program}", line 2, in f', f'  File "{program}", line 6, in g']
    full = [head, frames[0], "    g()", frames[1], "    raise ValueError('no')", end, ""]
    assert with_source_lines("\n".join([head, *frames, end, ""])) == "\n".join(full)
    assert with_source_lines("\n".join(full)) == "\n".join(full)


def test_what_cannot_be_found_is_left_out():
    text = '  File "/no/such/file.py", line 3, in f\nValueError\n'
    assert with_source_lines(text) == text
    assert with_source_lines("") == ""
