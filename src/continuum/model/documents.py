"""Where a JSON document that somebody wrote is wrong: by line and column, as editors count."""

import json


def describe_json_problem(data: bytes, problem: Exception) -> str:
    """Return what is wrong with `data`. `problem` is the first decoder's finding, which counts bytes; text
    that is no JSON at all is looked at once more for line and column."""
    try:
        json.loads(data)
    except json.JSONDecodeError as found:
        return f"line {found.lineno}, column {found.colno}: {found.msg}"
    except (UnicodeError, RecursionError):
        return str(problem)
    return str(problem)
