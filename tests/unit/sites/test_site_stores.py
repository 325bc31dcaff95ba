"""Which kind of store a site has: chosen once, then kept."""

from pathlib import Path

import pytest

from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError
from continuum.sites import Home, add_directory, remove_directory
from continuum.sites.embedded.plans import plan
from continuum.sites.embedded.preparing import UpOptions, prepare
from continuum.sites.embedded.stores import choose_stores, find_root, is_directory, port_names
from continuum.sites.supervision.folders import carry_out

NAMES = ("edge", "cloud")


def test_a_choice_is_for_all_sites_or_for_one(tmp_path: Path) -> None:
    assert choose_stores((), {}, (), NAMES) == {"edge": "seaweedfs", "cloud": "seaweedfs"}
    assert choose_stores(("directory",), {}, (), NAMES) == {"edge": "directory", "cloud": "directory"}
    chosen = choose_stores((f"edge=directory:{tmp_path}",), {}, (), NAMES)
    assert chosen == {"edge": f"directory:{tmp_path}", "cloud": "seaweedfs"}
    assert [is_directory(each) for each in chosen.values()] == [True, False]
    assert find_root(chosen["edge"], Path("/home/sites/edge")) == tmp_path
    assert find_root("directory", Path("/home/sites/edge")) == Path("/home/sites/edge/store")
    assert port_names(chosen["edge"]) == ("s3",)


def test_a_site_keeps_its_kind_and_new_sites_may_have_another() -> None:
    before = {"edge": "directory"}
    kept = choose_stores((), before, ("edge", "cloud"), ("edge", "cloud"))
    assert kept == {"edge": "directory", "cloud": "seaweedfs"}
    more = choose_stores(("lab=directory",), before, ("edge",), ("edge", "lab"))
    assert more == {"edge": "directory", "lab": "directory"}
    with pytest.raises(ConflictError, match="its objects lie there"):
        choose_stores(("seaweedfs",), before, ("edge",), ("edge",))


@pytest.mark.parametrize(
    "words", [("minio",), ("directory:",), ("seaweedfs:/x",), ("mars=directory",), ("edge=",)]
)
def test_what_is_no_choice_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError):
        choose_stores(words, {}, (), NAMES)


def test_two_sites_cannot_have_one_folder_nor_one_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="same folder"):
        choose_stores((f"directory:{tmp_path}",), {}, (), NAMES)
    with pytest.raises(InvalidInputError, match="no folder"):
        choose_stores((f"edge=directory:{tmp_path}/missing",), {}, (), NAMES)


def test_a_start_plans_what_was_chosen_and_the_next_one_keeps_it(tmp_path: Path) -> None:
    home, data = Home(tmp_path / "home"), tmp_path / "data"
    home.path.mkdir()
    data.mkdir()
    options = UpOptions(hub_port=0, gateway_ports=(0, 0), stores=(f"edge=directory:{data}",))
    first = prepare(home, options, lambda _: None)
    planned = plan(first)
    carry_out(planned)
    argv = {process.name: process.argv for process in planned.processes}
    assert "continuum.store.directories" in argv["store.edge"]
    assert "-filer" in argv["store.cloud"]
    assert prepare(home, UpOptions(), lambda _: None) == first


def test_what_cannot_be_added_as_a_store_is_told_before_anything_is_begun(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    carry_out(plan(prepare(home, UpOptions(hub_port=0, gateway_ports=(0, 0)), lambda _: None)))
    good = tmp_path / "good"
    good.mkdir()
    for folder, site, words in (
        (tmp_path / "missing", "edge", "there is no folder"),
        (home.path / "sites", "edge", "hold each other"),
        (tmp_path, "edge", "hold each other"),
        (good, "mars", "there is no site"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            add_directory(home, "lab", folder, site)
    with pytest.raises(NotFoundError, match="nothing runs"):
        add_directory(home, "lab", good, "edge")
    assert not list((home.path / "stores").iterdir())
    assert not remove_directory(home, "other")
