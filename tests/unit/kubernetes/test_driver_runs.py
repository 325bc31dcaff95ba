"""A run whose program is a pod: its objects, and its log read again after the connection was lost."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.requesting import parse_volume
from continuum.sites.kubernetes.logs import LogMerge
from continuum.sites.kubernetes.rules import find_violations
from continuum.sites.kubernetes.runs import (
    MOST_SENT_BYTES,
    RunSettings,
    name_of_job,
    plan_order,
    plan_run,
    redact,
)
from continuum.sites.kubernetes.settings import Overlay, SiteSettings

SITE = SiteSettings(
    name="lab",
    overlay=Overlay.CLOUD,
    image="localhost/continuum:1",
    backbone_url="tls://10.0.0.1:4222",
    computing_units=4,
    memory_bytes=2**32,
)
RUN = RunSettings(
    run_id="app-20260101-000000-abcdef",
    site=SITE,
    volumes=(parse_volume("claim:data:/data:ro"), parse_volume("empty:1G:/scratch")),
)


def test_the_pod_of_a_driver_keeps_all_rules():
    assert find_violations([plan_run(RUN)]) == ()


def test_a_driver_has_no_token_and_is_found_by_site_component_and_run():
    job = plan_run(RUN)
    pod = job["spec"]["template"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert {"continuum/site": "lab", "app.kubernetes.io/component": "driver"}.items() <= pod["metadata"][
        "labels"
    ].items()
    assert job["metadata"]["namespace"] == "continuum-lab-runs"
    assert job["spec"]["backoffLimit"] == 0


def test_volumes_are_mounted_where_they_were_asked_for():
    spec = plan_run(RUN)["spec"]["template"]["spec"]
    mounts = {each["mountPath"]: each for each in spec["containers"][0]["volumeMounts"]}
    assert mounts["/data"]["readOnly"] is True
    claims = [each["persistentVolumeClaim"] for each in spec["volumes"] if "persistentVolumeClaim" in each]
    assert claims == [{"claimName": "data", "readOnly": True}]
    assert "/scratch" in mounts


def test_the_job_owns_the_secret_and_nobody_is_shown_what_is_in_it():
    secret = plan_order(RUN, {"key.pem": b"secret"}, "1234")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "1234"
    assert secret["metadata"]["ownerReferences"][0]["name"] == name_of_job(RUN.run_id)
    assert redact(secret)["data"] == {"key.pem": "REDACTED"}


def test_a_program_that_is_too_large_is_refused_with_what_to_do():
    with pytest.raises(InvalidInputError, match="too much to send") as refused:
        plan_order(RUN, {"program.zip": bytes(MOST_SENT_BYTES + 1)}, "")
    assert "--context-dir" in refused.value.hint


def test_an_image_that_names_no_host_is_refused():
    with pytest.raises(InvalidInputError, match="names no host"):
        plan_run(RunSettings(run_id="x", site=SITE, image="mine:1"))


def _line(second, fraction, text):
    return f"2026-01-01T00:00:{second:02}.{fraction}Z {text}"


def test_lines_that_come_again_are_left_out():
    merge = LogMerge()
    lines = [_line(1, "1", "a"), _line(1, "5", "b"), _line(1, "5", "b"), _line(2, "0", "c")]
    assert [merge.take(line) for line in lines] == ["a", "b", "b", "c"]
    assert merge.since == "2026-01-01T00:00:02Z"
    merge.reconnect()
    again = [
        merge.take(line) for line in [_line(2, "0", "c"), _line(2, "000000001", "d"), _line(3, "0", "e")]
    ]
    assert again == [None, "d", "e"]


def test_of_lines_with_one_instant_those_that_are_new_are_taken():
    merge = LogMerge()
    assert [merge.take(_line(1, "5", text)) for text in "ab"] == ["a", "b"]
    merge.reconnect()
    assert [merge.take(_line(1, "5", text)) for text in "abc"] == [None, None, "c"]


def test_fractions_of_any_length_are_compared_as_numbers():
    merge = LogMerge()
    assert merge.take(_line(1, "25", "a")) == "a"
    merge.reconnect()
    assert merge.take(_line(1, "1", "older")) is None
    assert merge.take(_line(1, "3", "newer")) == "newer"


def test_a_line_without_an_instant_is_taken_as_it_is():
    assert LogMerge().take("no stamp here") == "no stamp here"


def test_what_a_kubelet_says_of_a_log_that_is_gone_is_no_line_of_the_program():
    assert LogMerge().take("unable to retrieve container logs for containerd://992269") is None
