"""Tasks that note each time they run; some wait for a gate. Arguments: a folder and a bucket."""

import os
import sys
import time
from pathlib import Path

from continuum.workflow import FILE_INOUT, FILE_OUT, barrier, constraint, task, wait_on

FOLDER, BUCKET = Path(sys.argv[1]), sys.argv[2]


def note(what):
    with (FOLDER / "calls").open("a") as file:
        file.write(what + "\n")


def wait_for_gate(name):
    (FOLDER / f"{os.getpid()}.pid").touch()
    note(f"{name} begun")
    while not (FOLDER / "gate").exists():
        time.sleep(0.02)
    note(f"{name} done")


@task(returns=1)
def large(number):
    note(f"large {number}")
    return bytes([number]) * 50_000


@task(returns=1)
def measure(data, number):
    note(f"measure {number}")
    return len(data)


@task(path=FILE_OUT)
def write(path, number):
    note(f"write {number}")
    Path(path).write_text(str(number))


@task(path=FILE_INOUT)
def count(path, step):
    note(f"count {step}")
    Path(path).write_text(str(int(Path(path).read_text()) + 1))


@constraint(site="cloud")
@task(path=FILE_OUT)
def write_late(path, number):
    wait_for_gate(f"late {number}")
    Path(path).write_text(f"late {number}")


@constraint(site="edge")  # not one behind the other, whatever earlier runs took
@task(returns=1)
def slow(number):
    wait_for_gate(f"slow {number}")
    return bytes([number]) * 50_000


made = [large(number) for number in range(3)]
for number in range(3):
    write(f"s3://{BUCKET}/out-{number}", number)
    count(f"s3://{BUCKET}/counter", number)
barrier()
print("first half", flush=True)
late = slow(7)
write_late(f"s3://{BUCKET}/late", 8)
barrier()
sizes = [measure(data, number) for number, data in enumerate([*made, late])]
count(f"s3://{BUCKET}/counter", 3)
print(sum(wait_on(sizes)), flush=True)
