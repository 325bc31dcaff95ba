"""Tasks that kill their worker the first time, or say where they run for as long as they are told."""

import os
import signal
import sys
import time
from pathlib import Path

from pycompss.api.api import compss_wait_on
from pycompss.api.parameter import COLLECTION_IN, INOUT
from pycompss.api.task import task


@task(returns=int)
def die_once(marker):
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@task(returns=int)
def die_always():
    os.kill(os.getpid(), signal.SIGKILL)


@task(returns=1)
def make(number):
    time.sleep(0.05)
    return [number] * 10_000  # too large to travel in messages: it lies where it was made


@task(values=INOUT)
def grow(values):
    time.sleep(0.05)
    values.append(values[0])


@task(values=COLLECTION_IN, returns=int)
def total(values):
    return sum(sum(each) for each in values)


@task()
def sleep(marker):
    Path(marker).write_text(str(os.getpid()))
    time.sleep(600)


def main():
    how, argument = sys.argv[1], sys.argv[2]
    if how == "once":
        print("survived", compss_wait_on(die_once(argument)))
    elif how == "always":
        compss_wait_on(die_always())
    elif how == "sleep":
        for number in range(3):
            sleep(f"{argument}/{number}")
        print("waiting", flush=True)
        compss_wait_on(total([make(1)]))
    else:
        made = [make(number) for number in range(int(argument))]
        for values in made:
            for _ in range(3):
                grow(values)
        print("total", compss_wait_on(total(made)))


if __name__ == "__main__":
    main()
