"""Write what is generated of the documentation and check the rest: `make docs`; with `--check`, only check.

Generated: the reference of the command line (from the commands themselves) and the table of S3 operations
(from the gateway's own code), each into docs/reference/, and the manifests of deploy/kubernetes. Checked, in
every Markdown file: links inside the project lead somewhere, commands that are shown exist with the options
that are shown, and Python blocks are at least Python. What can be run is run by
tests/system/test_documents.py. Says what is wrong with file and line; exit status 1 if anything is.
"""

import argparse
import ast
import re
import shlex
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
KUBERNETES = ROOT / "deploy" / "kubernetes"
MADE = "<!-- Made by `make docs` from the code; do not edit. -->\n\n"
FENCE = re.compile(r"^```(\S*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PROGRAMS = ("continuum", "skystore", "skystore-server")


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file. `line` is the number of its first line."""

    file: Path
    line: int
    language: str
    text: str


def main() -> int:
    """Generate and check; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; complain about what is out of date"
    )
    options = parser.parse_args()
    problems = [*generate(write=not options.check)]
    files = markdown_files()
    for file in files:
        problems += [*check_links(file), *check_blocks(file)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(files)} documents, {len(problems)} problems")
    return 1 if problems else 0


def markdown_files() -> list[Path]:
    """Return the documentation: Markdown at the top, in docs/ and beside the examples."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def generate(*, write: bool) -> Iterator[str]:
    """Write the generated pages, or say which differ from what would be written."""
    makers: dict[Path, Callable[[], str]] = {
        REFERENCE / "command-line.md": lambda: MADE + command_line_page(),
        REFERENCE / "s3-operations.md": lambda: MADE + s3_operations_page(),
        **kubernetes_makers(),
    }
    for path, make in makers.items():
        text = make()
        if path.exists() and path.read_text() == text:
            continue
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
        else:
            yield f"{path.relative_to(ROOT)}: out of date; run `make docs`"
    for path in {*KUBERNETES.rglob("*.yaml")} - makers.keys():
        yield f"{path.relative_to(ROOT)}: nothing makes it any more; remove it"


def kubernetes_makers() -> dict[Path, Callable[[], str]]:
    """Return what makes the files of deploy/kubernetes."""
    from continuum.sites.kubernetes.kustomizing import plan_files  # noqa: PLC0415  # as above

    files = plan_files()
    return {KUBERNETES / name: (lambda text=text: text) for name, text in files.items()}


# ---- the reference of the command line ----


def command_line_page() -> str:
    """Return the page that describes every command."""
    parts = ["# Command line\n\n`continuum COMMAND --help` says the same, with colours.\n"]
    for path, command in walk(root_command(), ("continuum",)):
        parts.append(_command_section(path, command))
    return "\n".join(parts)


def root_command() -> Any:
    """Return the command `continuum`; typer carries its own click, so its objects have no public type."""
    from continuum.cli.main import cli  # noqa: PLC0415  # the rest of this script works without it

    return typer.main.get_command(cli)


PROGRAM = "program"  # the hidden command that stands for `continuum run APP.py`


def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a command and all beneath it that are shown, each with its path."""
    yield path, command
    if hasattr(command, "list_commands"):
        context = typer.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and name == PROGRAM:
                yield (*path, "APP.py"), child
            elif child is not None and not child.hidden:
                yield from walk(child, (*path, name))


def _command_section(path: tuple[str, ...], command: Any) -> str:
    context = typer.Context(command, info_name=" ".join(path))
    usage = command.collect_usage_pieces(context)
    typed = path[:-1] if path[-1] == "APP.py" else path
    lines = [f"## {' '.join(path)}\n", f"`{' '.join([*typed, *usage])}`\n"]
    if command.help:
        lines.append(_plain(command.help) + "\n")
    rows = [row for parameter in command.params if (row := _parameter_row(parameter, context))]
    if rows:
        lines += ["| option or argument | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _parameter_row(parameter: Any, context: typer.Context) -> str | None:
    if getattr(parameter, "hidden", False) or parameter.name in {"install_completion", "show_completion"}:
        return None
    record = parameter.get_help_record(context)
    if record is None:
        names, meaning = parameter.human_readable_name, getattr(parameter, "help", None) or ""
    else:
        names, meaning = record
    return f"| `{names}` | {_plain(meaning).replace(chr(10), ' ').replace('|', chr(92) + '|')} |"


def _plain(text: str) -> str:
    """Return help text without rich's markup and click's own marks."""
    without_marks = text.replace("\b\n", "").replace("\b", "")
    return re.sub(
        r"\[/?(?:bold|dim|italic|green|red|cyan|yellow|blue|magenta)[^\]]*\]", "", without_marks
    ).strip()


# ---- the table of S3 operations ----


S3_TESTS = ROOT / "tests" / "system" / "s3"


def s3_operations_page() -> str:
    """Return the table of all operations of S3's own service model: what the gateway does for each, and the
    tests that call it."""
    from botocore.loaders import Loader  # noqa: PLC0415

    from continuum.store.gateway.operations import OPERATIONS  # noqa: PLC0415

    operations = Loader().load_service_model("s3", "service-2")["operations"]
    tests = find_tests(OPERATIONS)
    served = sum(name in OPERATIONS for name in operations)
    rows = [
        f"| {name} | {_served(name, OPERATIONS, operations)} | {tests.get(name, '')} |"
        for name in sorted(operations)
    ]
    return (
        "# S3 operations\n\n"
        f"A gateway serves {served} of the {len(rows)} operations in S3's service model; each of the others "
        "is answered with `501 NotImplemented` and its name; `test_s3_operations.py` tries all of them. "
        "Tested by: the files in tests/system/s3 that call the operation through boto3.\n\n"
        "| operation | served | tested by |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _served(name: str, served: Container[str], operations: dict[str, Any]) -> str:
    if name in served:
        return "yes"
    return "as its successor" if operations[name].get("deprecated") else ""


def find_tests(operations: Iterable[str]) -> dict[str, str]:
    """Return for each operation the test files that name its boto3 method."""
    from botocore import xform_name  # noqa: PLC0415

    by_method = {xform_name(name): name for name in operations}
    found: dict[str, list[str]] = {}
    for file in sorted(S3_TESTS.glob("test_*.py")):
        named = {
            node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)
        }
        for method in named & by_method.keys():
            found.setdefault(by_method[method], []).append(file.stem.removeprefix("test_s3_"))
    return {name: ", ".join(files) for name, files in found.items()}


# ---- checks ----


def check_links(file: Path) -> Iterator[str]:
    """Yield links of a file that lead nowhere inside the project."""
    is_code = False
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if FENCE.match(line):
            is_code = not is_code
        if is_code:
            continue
        for target in LINK.findall(line):
            if not _leads_somewhere(file, target):
                yield f"{file.relative_to(ROOT)}:{number}: nothing at {target}"


def _leads_somewhere(file: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True  # elsewhere; not looked at
    path, _, anchor = target.partition("#")
    aim = (file.parent / path).resolve() if path else file
    if not aim.exists():
        return False
    return not anchor or aim.suffix != ".md" or anchor in anchors(aim)


def anchors(file: Path) -> set[str]:
    """Return the anchors of a Markdown file's headings, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def check_blocks(file: Path) -> Iterator[str]:
    """Yield what is wrong in the code blocks of a file."""
    for block in blocks(file):
        where = f"{file.relative_to(ROOT)}:{block.line}"
        if block.language == "python":
            yield from _check_python(block, where)
        elif block.language in {"sh", "console"}:
            yield from _check_commands(block, where)


def blocks(file: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a Markdown file."""
    language, begun, text = None, 0, []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        fence = FENCE.match(line.strip())
        if fence and language is None:
            language, begun, text = fence.group(1), number + 1, []
        elif fence and language is not None:
            yield Block(file, begun, language, "\n".join(text))
            language = None
        elif language is not None:
            text.append(line)


def _check_python(block: Block, where: str) -> Iterator[str]:
    try:
        ast.parse(block.text)
    except SyntaxError as problem:
        yield f"{where}: not Python: {problem}"


def _check_commands(block: Block, where: str) -> Iterator[str]:
    for words in commands(block.text):
        if words[0] == "make" and len(words) > 1:
            if not re.search(rf"^{re.escape(words[1])}:", (ROOT / "Makefile").read_text(), re.MULTILINE):
                yield f"{where}: there is no `make {words[1]}`"
        elif words[0] == "continuum":
            yield from (f"{where}: `{shlex.join(words)}`: {problem}" for problem in check_command(words))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the commands of a shell block, without prompts, comments, assignments and what follows a pipe."""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = re.sub(r"^\$ ", "", line.strip())
        try:
            words = shlex.split(stripped, comments=True)
        except ValueError:
            continue  # a quotation over several lines: shell of its own, not one of our commands
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        ends = [index for index, word in enumerate(words) if word in {"|", "&", "&&", ";", ">"}]
        if words[: ends[0] if ends else None]:
            yield words[: ends[0] if ends else None]


def check_command(words: list[str]) -> Iterator[str]:
    """Yield what the command line would not understand of `continuum WORDS`."""
    command, rest = root_command(), words[1:]
    while hasattr(command, "list_commands") and rest and not rest[0].startswith("-"):
        child = command.get_command(typer.Context(command), rest[0])
        if child is None and PROGRAM in getattr(command, "commands", {}):
            break
        if child is None:
            yield f"there is no command {rest[0]}"
            return
        command, rest = child, rest[1:]
    if PROGRAM in getattr(command, "commands", {}):
        command = command.commands[PROGRAM]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word.endswith(".py"):
            return  # what follows belongs to the user's program
        if not word.startswith("-"):
            continue
        if word.partition("=")[0] not in known | {"--help", "--"}:
            yield f"there is no option {word}"


if __name__ == "__main__":
    sys.exit(main())
