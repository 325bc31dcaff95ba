"""Numbers and silence: what makes messages arrive once and in order, and when the other side is given up."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.security import SignatureError, Signer, Verifier, create_identity
from continuum.workflow import posting
from continuum.workflow.messages import FunctionCode, SiteGone, TaskSpec


def test_a_batch_is_taken_once_and_none_may_be_missing():
    inbox = posting.Inbox()
    assert inbox.is_new(1)
    assert not inbox.is_new(1)
    assert inbox.is_new(2)
    assert not inbox.is_new(1)
    with pytest.raises(InvalidInputError, match="batch 4 came after batch 2"):
        inbox.is_new(4)


def test_silence_counts_only_while_something_could_be_heard():
    silence = posting.Silence(6.0, 100.0)
    assert silence.pass_time(5.0, is_connected=True) == ""
    assert silence.pass_time(50.0, is_connected=False) == ""
    assert silence.pass_time(5.0, is_connected=True) == ""
    silence.hear()
    assert silence.pass_time(5.0, is_connected=True) == ""
    assert "7 s" in silence.pass_time(2.0, is_connected=True)


def test_being_cut_off_for_very_long_counts_too():
    silence = posting.Silence(6.0, 100.0)
    assert silence.pass_time(99.0, is_connected=False) == ""
    assert "backbone" in silence.pass_time(2.0, is_connected=False)


def test_an_item_too_large_for_a_message_is_refused():
    with pytest.raises(InvalidInputError, match="too large"):
        posting.encode_item(posting.Learn(FunctionCode(function="f", name="f", pickled=b"x" * 7_000_000)))


def test_a_sealed_message_opens_for_whom_it_is_meant_and_nobody_else(tmp_path):
    files = create_identity(tmp_path, "driver", "driver")
    commands = posting.Commands(
        run_id="r1",
        number=1,
        items=(
            posting.Learn(FunctionCode(function="f", name="f", pickled=b"p")),
            posting.Execute(TaskSpec(task_id=1, attempt=1, function="f", call=b"c")),
            posting.Drop(("d1",)),
            posting.Cancel((1, 2)),
        ),
    )
    raw = posting.encode(posting.seal(Signer(files), commands, posting.audience_of_site("edge")))
    edge = Verifier(files.ca_file, audience=posting.audience_of_site("edge"))
    cloud = Verifier(files.ca_file, audience=posting.audience_of_site("cloud"))
    opened, verified = posting.open_sealed(edge, raw, posting.Commands, role="driver")
    assert opened == commands
    assert verified.signer == "driver"
    with pytest.raises(SignatureError):
        posting.open_sealed(cloud, raw, posting.Commands, role="driver")
    with pytest.raises(SignatureError):
        posting.open_sealed(edge, raw, posting.Commands, role="driver")
    with pytest.raises(SignatureError, match="not signed"):
        posting.open_sealed(edge, posting.encode(SiteGone(reason="x")), posting.Commands, role="driver")
