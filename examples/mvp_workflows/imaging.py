"""The tasks that workflows 1 and 2 share: what §6.1 does to an image of hextets.

A hextet is a group of four hexadecimal digits, 16 bits. Sums and differences wrap at 16 bits (ffff + 1 is
0000, 0000 - 1 is ffff), as they do in a 16-bit register, so that every result is a hextet again.
"""

from pycompss.api.constraint import constraint
from pycompss.api.parameter import FILE_IN, FILE_OUT
from pycompss.api.task import task

MODULUS = 1 << 16
PER_LINE = 8


@task(image=FILE_IN, returns=list)
def read_hextets(image):
    """Return the hextets of an image file as numbers."""
    with open(image) as file:
        return [int(hextet, 16) for hextet in file.read().split()]


@task(returns=list)
def drop_zeroes(hextets):
    """Return the hextets that are not zero, in their order."""
    return [hextet for hextet in hextets if hextet != 0]


@task(returns=list)
def copy(hextets):
    """Return a copy, so that the two computations that follow have nothing in common."""
    return list(hextets)


@constraint(computing_units="1")
@task(returns=list)
def add(hextets, value):
    """Return every hextet plus `value`, wrapped at 16 bits."""
    return [(hextet + value) % MODULUS for hextet in hextets]


@constraint(computing_units="1")
@task(returns=list)
def subtract(hextets, value):
    """Return every hextet minus `value`, wrapped at 16 bits."""
    return [(hextet - value) % MODULUS for hextet in hextets]


@task(returns=list)
def sum_both(left, right):
    """Return the sums of the hextets at the same place, wrapped at 16 bits."""
    return [(one + other) % MODULUS for one, other in zip(left, right, strict=True)]


@task(returns=list)
def to_decimal(hextets):
    """Return every hextet as a decimal number, written out."""
    return [str(hextet) for hextet in hextets]


@task(result=FILE_OUT)
def store_hextets(hextets, result):
    """Write hextets as hexadecimal text, eight to a line."""
    _write_lines([f"{hextet:04x}" for hextet in hextets], result)


@task(result=FILE_OUT)
def store_words(words, result):
    """Write words as text, eight to a line."""
    _write_lines(words, result)


def process(image, result, decimal, added, subtracted):
    """Run the whole of workflow 1 or 2: the graph of figure 7. Nothing has finished when it returns."""
    filtered = drop_zeroes(read_hextets(image))
    larger = add(filtered, added)
    smaller = subtract(copy(filtered), subtracted)  # beside `add`: neither waits for the other
    total = sum_both(larger, smaller)
    store_hextets(total, result)
    store_words(to_decimal(total), decimal)


def _write_lines(words, path):
    lines = (" ".join(words[start : start + PER_LINE]) for start in range(0, len(words), PER_LINE))
    with open(path, "w") as file:
        file.writelines(line + "\n" for line in lines)
