"""Tasks of all kinds, as a program has them in a module of its own."""

import os
import time
from pathlib import Path

from continuum.workflow import (
    COLLECTION_IN,
    FILE_IN,
    FILE_INOUT,
    FILE_OUT,
    INOUT,
    binary,
    constraint,
    container,
    epilog,
    http,
    implement,
    io_task,
    mpi,
    mpmd_mpi,
    multinode,
    openmp,
    prolog,
    reduction,
    task,
)

HERE = __name__


@binary("grep", args="-c {{word}} {{text}}", fail_by_exit_value=False)
@task(returns=int, text=FILE_IN)
def count_lines(word, text):
    pass


@binary("grep")
@task(
    returns=int,
    source={"type": FILE_IN, "stdiostream": "stdin"},
    found={"type": FILE_OUT, "stdiostream": "stdout"},
)
def grep(word, source, found):
    pass


@binary("printf")
@task(text={"prefix": "--"}, end={"prefix": "#"}, target={"type": FILE_OUT, "stdiostream": "stdout"})
def print_words(form, text, end, target):
    pass


@binary("sh", args="-c {{script}}", fail_by_exit_value=False)
@task(returns=int)
def shell(script):
    pass


@binary("sh", args="-c {{script}}")
@task(returns=int, on_failure="FAIL")
def strict_shell(script):
    pass


@binary("sh", args="-c {{script}}")
@task(returns=int, on_failure="IGNORE")
def failing_shell(script):
    pass


@binary("sort", args="-o {{text}} {{text}}")
@task(text=FILE_INOUT)
def sort_in_place(text):
    pass


@binary("pwd")
@task(target={"type": FILE_OUT, "stdiostream": "stdout"})
def say_folder(target):
    pass


@binary("pwd", working_dir="{{folder}}/inner")
@task(target={"type": FILE_OUT, "stdiostream": "stdout"})
def say_given_folder(folder, target):
    pass


@binary("no-such-program-anywhere")
@task(returns=int, on_failure="IGNORE")
def missing():
    pass


@constraint(computing_units=2)
@binary("sh", args='-c "echo $OMP_NUM_THREADS $COMPSS_NUM_THREADS"')
@task(target={"type": FILE_OUT, "stdiostream": "stdout"})
def say_threads(target):
    pass


@openmp("sh", threads=2, args='-c "echo $OMP_NUM_THREADS"')
@task(target={"type": FILE_OUT, "stdiostream": "stdout"})
def say_openmp(target):
    pass


@mpi(binary="sh", processes=2, args='-c "echo $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE"')
@task(returns=int, target={"type": FILE_OUT, "stdiostream": "stdout"})
def say_ranks(target):
    pass


@mpi(processes=2)
@task(returns=2)
def each_rank(values):
    return int(os.environ["OMPI_COMM_WORLD_RANK"]), sum(values), int(os.environ["OMP_NUM_THREADS"])


@mpi(processes="count")
@task(returns=1)
def first_rank(count):
    return int(os.environ["OMPI_COMM_WORLD_RANK"]), int(os.environ["OMPI_COMM_WORLD_SIZE"])


@mpi(processes=2, values_layout={"block_count": 2, "block_length": 2, "stride": 2})
@task(returns=2, values=COLLECTION_IN)
def blocks(values):
    return list(values)


@mpi(processes=2, values_layout={"block_count": 5, "block_length": 1})
@task(returns=2, values=COLLECTION_IN)
def dealt_out(values):
    return list(values)


@mpi(processes=2)
@task(values=INOUT)
def extend(values):
    values.append(int(os.environ["OMPI_COMM_WORLD_SIZE"]))


@mpi(processes=2)
@task(returns=1, on_failure="IGNORE")
def failing_rank():
    raise ValueError("rank " + os.environ["OMPI_COMM_WORLD_RANK"])


@mpmd_mpi(
    programs=[
        {"binary": "echo", "processes": 1, "args": "first {{word}}"},
        {"binary": "echo", "processes": 1, "args": "second {{word}}"},
    ]
)
@task(returns=int, target={"type": FILE_OUT, "stdiostream": "stdout"})
def two_programs(word, target):
    pass


@multinode(computing_nodes=1)
@task(returns=1)
def nodes():
    return os.environ["COMPSS_NUM_NODES"], len(os.environ["COMPSS_HOSTNAMES"].split(","))


@prolog("sh", args="-c 'echo begun >> {{log}}'")
@epilog("sh", args="-c 'echo ended >> {{log}}'")
@task(returns=1)
def between(log, value):
    with Path(log).open("a") as file:
        file.write("between\n")
    if value < 0:
        raise ValueError("below zero")
    return value + 1


@prolog("false")
@task(returns=1, on_failure="IGNORE")
def never(log):
    Path(log).touch()
    return 1


@prolog("false", fail_by_exit_value=False)
@task(returns=1)
def anyway():
    return 1


@io_task()
@task(returns=1)
def read_later(value):
    time.sleep(0.01)
    return value


@reduction(chunk_size=3)
@task(returns=int, values=COLLECTION_IN)
def add(values, scale=1):
    assert len(values) <= 3
    return sum(values) * scale


@task(returns=int)
def number(value):
    return value


@http("counter", resource="length/{{text}}", produces="{'length': '{{return_0}}'}")
@task(returns=int)
def length(text):
    pass


@http("counter", resource="echo", request="POST", payload="{{value}}")
@task(returns=object)
def echo(value):
    pass


@http(
    "counter",
    resource="length/{{text}}",
    produces='{"length": "{{found}}"}',
    updates="{{event}}.length = {{found}}",
)
@task(event=INOUT)
def note_length(text, event):
    pass


@http("counter", resource="missing")
@task(returns=str, on_failure="IGNORE")
def not_there():
    pass


@implement(source_class=HERE, method="general")
@constraint(app_software="special")
@task(returns=str)
def special(value):
    return f"special {value}"


@task(returns=str)
def general(value):
    return f"general {value}"


@implement(source_class=HERE, method="picky")
@task(returns=str)
def simple(value):
    return f"simple {value}"


@constraint(app_software="not-there")
@task(returns=str)
def picky(value):
    return f"picky {value}"


@container(engine="PODMAN", image="none-such")
@task(returns=1, on_failure="IGNORE")
def contained():
    return 1


@constraint(gpus=1, operating_system_type="linux")
@task(returns=1)
def on_a_gpu():
    return os.environ["CUDA_VISIBLE_DEVICES"]


@constraint(storage_type="tape")
@task(returns=1, on_failure="CANCEL_SUCCESSORS")
def on_tape():
    return 1
