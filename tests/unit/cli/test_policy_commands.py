"""The commands about policies, as far as they need no running continuum."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from continuum.cli.bucket import app as bucket_app
from continuum.cli.object.explaining import parse_address
from continuum.cli.store import app as store_app
from continuum.model.errors import InvalidInputError

RUN = CliRunner()


def test_a_trace_is_made_and_replayed_against_names_and_files(tmp_path: Path) -> None:
    trace, policy, prices = tmp_path / "trace.csv", tmp_path / "policy.toml", tmp_path / "prices.toml"
    policy.write_text('placement = "push"\nsites = ["edge"]\n')
    prices.write_text("storage_eur_per_gb_month = 0.6\ntransfer_eur_per_gb = 0.02\n")
    arguments = ["make-trace", "--output", str(trace), "--objects", "200", "--buckets", "4"]
    made = RUN.invoke(store_app, arguments, catch_exceptions=False)
    assert made.exit_code == 0
    chosen = ["--policy", "t_even", "--policy", str(policy), "--prices", str(prices)]
    shown = RUN.invoke(store_app, ["simulate", str(trace), *chosen], catch_exceptions=False)
    assert "t_even" in shown.output
    assert "cost/optimum" in shown.output
    told = RUN.invoke(store_app, ["simulate", str(trace), *chosen, "--json"], catch_exceptions=False)
    assert '"bucket_max"' in told.stdout


@pytest.mark.parametrize("arguments", [["b", "set"], ["b", "show", "file"], [".", "apply"]])
def test_actions_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        RUN.invoke(bucket_app, ["policy", *arguments], catch_exceptions=False)


def test_a_policy_that_is_wrong_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("copies = 0")
    with pytest.raises(InvalidInputError, match="copies"):
        RUN.invoke(bucket_app, ["policy", "b", "set", str(tmp_path / "policy.toml")], catch_exceptions=False)


def test_an_object_has_an_address() -> None:
    assert parse_address("s3://bucket/a/b c") == ("bucket", "a/b c")
    for bad in ("bucket/key", "s3://bucket", "s3:///key", "s3://bucket/"):
        with pytest.raises(InvalidInputError):
            parse_address(bad)
