"""What a home remembers of functions and links, and that nothing it finds there can stop a run."""

import pytest

from continuum.model.placement import GUESSED_RUN_S, History, Links
from continuum.model.sites import Link, Transfer
from continuum.workflow.remembering import FILE, MOST_FUNCTIONS, Experience


def learnt(run_s: float = 2.0, function: str = "f") -> tuple[History, Links]:
    history, links = History(), Links()
    history.add(function, "edge", run_s)
    history.add_output(function, 1000)
    links.learn("edge", [Transfer("cloud", 10**7, 0.0, 1.0)])
    return history, links


def test_the_next_run_knows_what_functions_took_and_links_did(tmp_path):
    Experience(tmp_path, "app").keep(*learnt())
    history, links = Experience(tmp_path, "app").recall()
    assert history.expected_s("f", "edge") == 2.0
    assert history.expected_s("f", "cloud") == 2.0
    assert history.output_bytes("f") == 1000
    assert links.between("cloud", "edge").bandwidth_bytes_per_s == pytest.approx(1e7, rel=0.01)


def test_a_function_of_the_same_name_in_another_program_is_another(tmp_path):
    Experience(tmp_path, "app").keep(*learnt())
    history, _ = Experience(tmp_path, "other").recall()
    assert history.expected_s("f", "edge") == GUESSED_RUN_S


def test_a_price_is_as_declared_and_a_speed_as_measured(tmp_path):
    Experience(tmp_path, "app").keep(*learnt())
    declared = Link(
        source="cloud", target="edge", bandwidth_bytes_per_s=1.0, latency_s=1.0, price_eur_per_gb=0.3
    )
    found = Experience(tmp_path, "app").recall([declared])[1].between("cloud", "edge")
    assert found.price_eur_per_gb == 0.3
    assert found.bandwidth_bytes_per_s > 1e6


@pytest.mark.parametrize("damage", [b"", b"{", b"[1, 2]", b'{"functions": [{"program": 3}]}', b"\xff" * 100])
def test_a_damaged_memory_is_begun_anew(tmp_path, damage):
    (tmp_path / FILE).write_bytes(damage)
    memory = Experience(tmp_path, "app")
    assert memory.recall()[0].expected_s("f", "edge") == GUESSED_RUN_S
    memory.keep(*learnt())
    assert Experience(tmp_path, "app").recall()[0].expected_s("f", "edge") == 2.0


def test_runs_side_by_side_add_to_each_other(tmp_path):
    one, other = Experience(tmp_path, "app"), Experience(tmp_path, "app")
    one.recall()
    other.recall()
    one.keep(*learnt(function="f"))
    other.keep(*learnt(function="g"))
    history, _ = Experience(tmp_path, "app").recall()
    assert history.knows("f")
    assert history.knows("g")


def test_a_memory_is_bounded(tmp_path):
    for part in range(3):
        history = History()
        for number in range(MOST_FUNCTIONS // 2):
            history.add(f"f{part}-{number}", "edge", 1.0)
        Experience(tmp_path, "app").keep(history, Links())
    history, _ = Experience(tmp_path, "app").recall()
    assert len(history.facts()) == 0  # nothing was learnt since
    assert history.knows("f2-0")
    assert not history.knows("f0-0")


def test_a_home_that_is_not_there_learns_nothing_and_stops_nobody(tmp_path):
    memory = Experience(tmp_path / "none", "app")
    memory.keep(*learnt())
    assert not (tmp_path / "none").exists()
    Experience(None, "app").keep(*learnt())
