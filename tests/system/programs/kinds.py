"""Tasks of several kinds, as PyCOMPSs programs have them: programs, MPI, reductions, alternatives, GPUs."""

import os
import sys
from pathlib import Path

from pycompss.api.api import compss_open, compss_wait_on
from pycompss.api.binary import binary
from pycompss.api.constraint import constraint
from pycompss.api.epilog import epilog
from pycompss.api.implement import implement
from pycompss.api.IO import IO
from pycompss.api.mpi import mpi
from pycompss.api.parameter import (
    COLLECTION_IN,
    FILE_IN,
    FILE_IN_STDIN,
    FILE_OUT,
    FILE_OUT_STDOUT,
    STDOUT,
    Prefix,
    StdIOStream,
    Type,
)
from pycompss.api.prolog import prolog
from pycompss.api.reduction import reduction
from pycompss.api.software import software
from pycompss.api.task import task


@binary(binary="sort", working_dir=".")
@task(infile={Type: FILE_IN_STDIN}, result={Type: FILE_OUT_STDOUT})
def sort(flag, infile, result):
    pass


@binary(binary="grep", args="-c {{word}} {{text}}", fail_by_exit_value=False)
@task(text=FILE_IN, returns=int)
def count(word, text):
    pass


@binary(binary="printf")
@task(word={Prefix: "--word="}, result={Type: FILE_OUT, StdIOStream: STDOUT})
def write_option(form, word, result):
    pass


@constraint(computing_units=1)
@mpi(runner="mpirun", processes=2)
@task(returns=2)
def ranks(number):
    return int(os.environ["OMPI_COMM_WORLD_RANK"]) + number


@task(returns=int)
def square(number):
    return number * number


@reduction(chunk_size="2")
@task(returns=int, numbers=COLLECTION_IN)
def total(numbers):
    return sum(numbers)


@implement(source_class="kinds", method="where")
@constraint(processors=[{"processorType": "CPU"}, {"processorType": "GPU", "computingUnits": "2"}])
@task(returns=str)
def where_with_gpus():
    return "gpus " + os.environ["CUDA_VISIBLE_DEVICES"]


@task(returns=str)
def where():
    return "plain"


@IO()
@task(text=FILE_OUT)
def dump(numbers, text):
    Path(text).write_text(" ".join(map(str, numbers)))


@prolog(binary="mkdir", args="-p {{folder}}")
@epilog(binary="rm", args="-r {{folder}}")
@task(returns=bool)
def exists(folder):
    return Path(folder).is_dir()


@software(config_file="kinds.json")
def lines(text):
    pass


def main(folder, ways):
    words = folder / "words.txt"
    words.write_text("pear\napple\npear\n")
    sort("-r", str(words), str(folder / "sorted.txt"))
    with compss_open(str(folder / "sorted.txt")) as file:
        assert file.read() == "pear\npear\napple\n"
    assert compss_wait_on(count("pear", str(folder / "sorted.txt"))) == 0
    assert compss_wait_on(count("plum", str(words))) == 1
    write_option("%s", "x y", str(folder / "option.txt"))
    with compss_open(str(folder / "option.txt")) as file:
        assert file.read() == "--word=x y"
    assert compss_wait_on(ranks(square(3))) == [9, 10]
    assert compss_wait_on(total([square(number) for number in range(9)])) == 204
    assert compss_wait_on(where()) in ways
    dump([square(2), square(3)], str(folder / "dump.txt"))
    with compss_open(str(folder / "dump.txt")) as file:
        assert file.read() == "4 9"
    assert compss_wait_on(exists(str(folder / "made")))
    assert not (folder / "made").exists()
    lines(str(words))
    print("kinds ok")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
