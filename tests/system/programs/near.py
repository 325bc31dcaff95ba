"""Tasks over objects of the store: each says where it ran, and an object is overwritten after it was read."""

import sys
import time
from pathlib import Path

from pycompss.api.api import compss_barrier, compss_open, compss_wait_on
from pycompss.api.parameter import FILE_IN, FILE_INOUT, FILE_OUT
from pycompss.api.task import task


@task(path=FILE_IN, returns=str)
def head(path):
    time.sleep(0.02)
    return Path(path).read_bytes()[:4].decode()


@task(source=FILE_IN, target=FILE_OUT)
def copy(source, target):
    Path(target).write_bytes(Path(source).read_bytes())


@task(path=FILE_INOUT)
def stamp(path):
    with Path(path).open("ab") as file:
        file.write(b"!")


def main():
    uris, scratch = sys.argv[2:], f"s3://{sys.argv[1]}/scratch"
    heads = [head(uri) for uri in uris]
    copy(uris[0], scratch)
    first = head(scratch)
    copy(uris[1], scratch)
    second = head(scratch)
    stamp(scratch)
    print(compss_wait_on(heads), compss_wait_on(first, second))
    compss_barrier()
    with compss_open(scratch, "rb") as file:
        print(file.read()[-1:].decode())


if __name__ == "__main__":
    main()
