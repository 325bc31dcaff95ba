"""The command line without a continuum: help, options, errors, and how little it loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import continuum
from continuum.cli.main import COMMANDS, as_command, cli, tell_error
from continuum.cli.options import open_home
from continuum.cli.up import _ports, up
from continuum.model.errors import ContinuumError, InvalidInputError
from continuum.sites import StartFailedError


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"CONTINUUM_HOME": str(tmp_path / "home"), "NO_COLOR": "1", "COLUMNS": "200"})


def test_help_names_every_command_and_teaches_with_examples(runner: CliRunner) -> None:
    shown = runner.invoke(cli, ["--help"]).output
    for name, (_, _, text) in COMMANDS.items():
        assert name in shown
        assert text in shown
    assert "continuum run app.py" in shown


def test_help_loads_no_command_and_no_service() -> None:
    program = (
        "import sys; sys.argv = ['continuum', '--help']\n"
        "from continuum.cli import main\n"
        "try:\n main()\nexcept SystemExit:\n pass\n"
        "print('loaded', [name for name in sys.modules if name.startswith(('continuum.', 'nats', 'litestar',"
        " 'sqlalchemy', 'cryptography', 'botocore'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.rpartition("loaded ")[2]
    assert set(json.loads(loaded.replace("'", '"'))) == {
        "continuum.cli",
        "continuum.cli.main",
        "continuum.model",
        "continuum.model.errors",
    }


@pytest.mark.parametrize("name", ["up", "down", "status", "site", "user", "env", "version"])
def test_every_command_has_help(runner: CliRunner, name: str) -> None:
    done = runner.invoke(cli, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage" in done.output


@pytest.mark.parametrize("words", [["site"], ["user"]])
def test_a_noun_alone_shows_its_verbs(runner: CliRunner, words: list[str]) -> None:
    assert "list" in runner.invoke(cli, words).output


def test_version_is_the_package_s(runner: CliRunner) -> None:
    for words in (["version"], ["--version"]):
        assert runner.invoke(cli, words).output.strip() == continuum.__version__


def test_an_unknown_command_is_refused(runner: CliRunner) -> None:
    done = runner.invoke(cli, ["dance"])
    assert done.exit_code == 2
    assert "dance" in done.output


def test_status_of_a_home_that_was_never_up_is_down(runner: CliRunner) -> None:
    done = runner.invoke(cli, ["status", "--json"])
    assert done.exit_code == 4
    assert json.loads(done.output)["state"] == "down"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["up", "--gateway-ports", "eight"], "no list of ports"),
        (["env"], "there is no"),
        (["site", "list"], "there is no"),
        (["user", "add", "x"], "there is no"),
    ],
)
def test_mistakes_are_errors_for_people(runner: CliRunner, words: list[str], reason: str) -> None:
    done = runner.invoke(cli, words)
    assert isinstance(done.exception, ContinuumError)
    assert reason in done.exception.message


def test_an_error_is_one_message_the_last_words_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    tell_error(StartFailedError("hub ended", hint="see its log", lines=("one", "two")))
    shown = capsys.readouterr().err.splitlines()
    assert shown == ["error: hub ended", "  | one", "  | two", "hint:  see its log"]


def test_an_error_ends_the_command_with_status_one_and_debug_shows_the_trace(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("continuum"))]
    environment = os.environ | {"CONTINUUM_HOME": str(tmp_path)}
    plain = subprocess.run([*command, "env"], env=environment, capture_output=True, text=True, check=False)
    assert plain.returncode == 1
    assert plain.stderr.startswith("error: ")
    assert "Traceback" not in plain.stderr
    debug = subprocess.run(
        [*command, "--debug", "env"], env=environment, capture_output=True, text=True, check=False
    )
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr


def test_the_home_is_the_option_s_then_the_variable_s_then_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CONTINUUM_HOME", raising=False)
    assert open_home(None).path == tmp_path / ".continuum"
    monkeypatch.setenv("CONTINUUM_HOME", str(tmp_path / "variable"))
    assert open_home(None).path == tmp_path / "variable"
    assert open_home(tmp_path / "option").path == tmp_path / "option"


def test_a_plain_function_and_an_application_both_become_commands() -> None:
    assert as_command(up, "up").name == "up"
    assert as_command(cli, "continuum").name == "continuum"


def test_ports_are_numbers_with_commas() -> None:
    assert _ports("8002, 8003") == (8002, 8003)
    with pytest.raises(InvalidInputError):
        _ports("8002;8003")
