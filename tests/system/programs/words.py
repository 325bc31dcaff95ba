"""Word count over files: every way to give and take files that PyCOMPSs programs use."""

import sys
from collections import Counter
from pathlib import Path

from pycompss.api.api import (
    compss_barrier,
    compss_delete_file,
    compss_open,
    compss_wait_on,
    compss_wait_on_file,
)
from pycompss.api.parameter import COLLECTION_FILE_IN, FILE_IN, FILE_INOUT, FILE_OUT
from pycompss.api.task import task
from pycompss.functions.reduce import merge_reduce


@task(text=FILE_IN, returns=dict)
def count(text):
    return dict(Counter(Path(text).read_text().split()))


@task(returns=dict)
def merge(one, other):
    return dict(Counter(one) + Counter(other))


@task(report=FILE_OUT)
def write(counts, report):
    with Path(report).open("w") as file:
        file.writelines(f"{word} {number}\n" for word, number in sorted(counts.items()))


@task(report=FILE_INOUT)
def sign(report, name):
    with Path(report).open("a") as file:
        file.write(f"-- {name}\n")


@task(texts=COLLECTION_FILE_IN, returns=int)
def characters(texts):
    return sum(Path(text).stat().st_size for text in texts)


def main():
    folder = Path(sys.argv[1])
    texts = []
    for number in range(6):
        text = folder / f"text{number}.txt"
        text.write_text("one two two three three three " * (10 if number else 2000))
        texts.append(str(text))
    report = str(folder / "report.txt")
    write(merge_reduce(merge, [count(text) for text in texts]), report)
    sign(report, "a")
    sign(report, "b")
    assert compss_wait_on(characters(texts)) == sum(Path(text).stat().st_size for text in texts)
    with compss_open(report) as file:
        lines = file.read().splitlines()
    assert lines == ["one 2050", "three 6150", "two 4100", "-- a", "-- b"], lines
    compss_delete_file(texts[0])
    last = str(folder / "last.txt")
    write({"done": 1}, last)
    compss_wait_on_file(last)
    assert Path(last).read_text() == "done 1\n"
    write({"at the end": 2}, str(folder / "end.txt"))  # comes home although nobody asks
    compss_barrier()
    print("words ok")


if __name__ == "__main__":
    main()
