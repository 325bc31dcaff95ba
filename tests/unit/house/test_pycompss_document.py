"""`docs/pycompss.md` says what there is: its lists are those of the code."""

import pkgutil
import re
from pathlib import Path

import pytest

from continuum.cli.runcompss.options import table
from continuum.workflow.pycompss import api as modules
from continuum.workflow.pycompss import functions, interactive, refusing
from continuum.workflow.pycompss.api import api, parameter

DOCUMENT = Path(__file__).parents[3] / "docs" / "pycompss.md"
TEXT = DOCUMENT.read_text()
_STREAMED = re.compile(r"_STD(IN|OUT|ERR)$")


def section(title):
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Functions", [*api.__all__, *interactive.__all__[:-1]]),
        ("Functions", [module.name for module in pkgutil.iter_modules(functions.__path__)]),
        ("Decorators", [module.name for module in pkgutil.iter_modules(modules.__path__)]),
        ("Parameters", [name for name in parameter.__all__ if not _STREAMED.search(name)]),
    ],
)
def test_everything_that_is_there_is_named(title, names):
    said = set(re.findall(r"`@?(\w+)", section(title)))
    assert set(names) - said - {"session"} == set()


def test_what_is_named_as_a_parameter_is_there():
    said = set(re.findall(r"`([A-Z]\w+)`", section("Parameters"))) - {"_STDIN", "_STDOUT", "_STDERR"}
    assert said - set(parameter.__all__) == set()


def test_what_is_refused_is_named_as_refused():
    rows = section("Decorators").splitlines()
    refused = next(row for row in rows if row.startswith("| `@compss`"))
    assert set(re.findall(r"`@(\w+)`", refused)) == {name.rpartition(".")[2] for name in refusing.MODULES}


def test_the_options_of_runcompss_are_those_of_the_code():
    said = TEXT.split("<!-- runcompss -->\n")[1].split("<!-- /runcompss -->")[0]
    assert said.strip() == table(), "python -m continuum.cli.runcompss.options docs/pycompss.md"
