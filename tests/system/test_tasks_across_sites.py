"""Tasks at both sites of a running continuum: what moves between them, and what is counted."""

import hashlib
import threading

import cloudpickle
import numpy as np
import pytest
from embedding import Embedded

from continuum.store import ObjectClient
from continuum.workflow.driving import DriverConnection
from continuum.workflow.messages import (
    DatumPublished,
    FunctionCode,
    Input,
    ObjectName,
    Output,
    RunSpec,
    TaskFailed,
    TaskFinished,
    TaskSpec,
)
from continuum.workflow.remoting import RemoteExecutor
from continuum.workflow.serialising import dump_call, load

pytestmark = pytest.mark.system

SLOT = object()


def test_an_array_made_at_one_site_is_summed_at_the_other_and_its_bytes_are_counted(
    embedded: Embedded,
) -> None:
    home = embedded.home
    gateway = home.continuum().sites[0].gateway_url
    connection = DriverConnection(
        home.backbone_settings("driver"), home.identity("driver"), ObjectClient(gateway, *home.credentials())
    )
    connection.open()
    heard = threading.Condition()
    events = []

    def sink(site, new):
        with heard:
            events.extend(new)
            heard.notify_all()

    def wait(kind, count):
        with heard:
            assert heard.wait_for(lambda: len(of(kind)) >= count, 30), events
            return of(kind)[-1]

    def of(kind):
        return [event for event in events if isinstance(event, kind)]

    def submit(site, number, function, *args, inputs=()):
        pickled = cloudpickle.dumps(function)
        code = FunctionCode(function=hashlib.sha256(pickled).hexdigest(), name="f", pickled=pickled)
        call = dump_call(args, {}, lambda value: 0 if value is SLOT else None)
        outputs = (Output(datum=f"d{number}"),)
        task = TaskSpec(
            task_id=number,
            attempt=1,
            function=code.function,
            call=call,
            inputs=inputs,
            outputs=outputs,
            return_count=1,
        )
        sites[site].submit([code], [task])
        answer = wait((TaskFinished, TaskFailed), number)
        assert isinstance(answer, TaskFinished), answer
        return answer

    run = RunSpec(
        run_id="across-sites", application="app.py", objects=ObjectName("continuum-runs", "across-sites")
    )
    sites = {name: RemoteExecutor(connection, name) for name in ("edge", "cloud")}
    for executor in sites.values():
        executor.start(run, sink)
    try:
        made = submit("edge", 1, np.arange, 100_000.0)
        assert made.moved_bytes == 0
        name = ObjectName("continuum-runs", "across-sites/d1")
        sites["edge"].publish([("d1", name)])
        assert wait(DatumPublished, 1).published == name
        given = (Input(datum="d1", published=name),)
        summed = submit("cloud", 2, np.sum, SLOT, inputs=given)
        assert load(summed.outputs[0].inline) == 100_000 * 99_999 / 2
        assert summed.moved_bytes >= 800_000
        assert submit("cloud", 3, np.sum, SLOT, inputs=given).moved_bytes == 0
        assert submit("edge", 4, np.sum, SLOT, inputs=given).moved_bytes == 0
        with_client = embedded.boto3_client("cloud")
        assert with_client.head_object(Bucket=name.bucket, Key=name.key)["ContentLength"] > 800_000
    finally:
        for executor in sites.values():
            executor.close()
        connection.close()
    left = embedded.boto3_client("cloud").list_objects_v2(Bucket="continuum-runs", Prefix="across-sites/")
    assert left["KeyCount"] == 0
