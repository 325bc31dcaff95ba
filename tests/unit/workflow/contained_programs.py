"""Tasks that run in containers, as a program has them in a module of its own."""

from pathlib import Path

from continuum.workflow import FILE_IN, INOUT, binary, container, task

IMAGE = "localhost/continuum-unit-tests"


@container(engine="PODMAN", image=IMAGE)
@binary("grep", args="-c {{word}} {{text}}", fail_by_exit_value=False)
@task(returns=int, text=FILE_IN)
def count(word, text):
    pass


@container(engine="PODMAN", image=IMAGE)
@task(returns=1, values=INOUT, text=FILE_IN)
def inside(values, text):
    values.append(len(Path(text).read_text()))
    return Path("/made-for-tests").read_text()


@container(engine="PODMAN", image=IMAGE)
@task(returns=1, on_failure="CANCEL_SUCCESSORS")
def failing():
    raise ValueError("out of a container")
