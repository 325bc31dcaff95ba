"""Tasks with streams; in a module of their own, as workers import them by name."""

from continuum.workflow.programming import task
from continuum.workflow.pycompss.api.parameter import STREAM_IN, STREAM_OUT


@task(stream=STREAM_OUT)
def produce(stream, numbers):
    for number in numbers:
        stream.publish({"number": number})


@task(stream=STREAM_IN, returns=1)
def consume(stream):
    """Take what there is until the stream is closed."""
    taken = []
    while True:
        is_last = stream.is_closed()
        taken += [message["number"] for message in stream.poll(timeout=50)]
        if is_last:
            return taken
