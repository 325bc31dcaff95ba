"""Sites that leave: what would be lost is told; their stores are forgotten, and nothing else."""

import msgspec
from locator_making import SEALER, Index, make_store
from sqlalchemy import insert, select, update

from continuum.store.locator.database import Statement
from continuum.store.locator.index import sessions, stores
from continuum.store.locator.index.leaving import forget_site, list_sole_copies
from continuum.store.locator.messages import ForgetSite, ListSoleCopies, SoleCopy
from continuum.store.locator.schema import replicas, versions

EDGE, CLOUD = ListSoleCopies(site="edge"), ListSoleCopies(site="cloud")


def _names(index: Index) -> list[str]:
    return [each.name for each in sessions.list_stores(index.connection, SEALER)]


def _put_twice(index: Index, other: str) -> None:
    """Put an object that has a copy in the store of edge and one in another."""
    version = index.put("a")
    at = insert(replicas).values(
        version=select(versions.c.number)
        .where(versions.c.version_id == version.version_id)
        .scalar_subquery(),
        store=other,
        physical_bucket="physical",
        physical_key="copy",
        created_at=index.now,
    )
    index.connection.run(Statement(at))


def test_what_lies_in_the_store_of_a_site_alone_is_counted_by_bucket(index: Index) -> None:
    index.create_bucket("other")
    index.put("a", size_bytes=100)
    index.put("b", size_bytes=50)
    index.put("c", bucket="other", size_bytes=7)
    assert list_sole_copies(index.connection, EDGE).buckets == (
        SoleCopy(bucket="bucket", versions=2, size_bytes=150),
        SoleCopy(bucket="other", versions=1, size_bytes=7),
    )
    assert list_sole_copies(index.connection, CLOUD).buckets == ()


def test_a_copy_elsewhere_counts_unless_it_is_bad(index: Index) -> None:
    _put_twice(index, "cloud")
    assert list_sole_copies(index.connection, EDGE).buckets == ()
    bad = Statement(update(replicas).where(replicas.c.store == "cloud").values(bad_at=1.0))
    index.connection.run(bad)
    assert list_sole_copies(index.connection, EDGE).buckets != ()


def test_a_store_that_was_added_near_a_site_is_not_the_site_s_own(index: Index) -> None:
    added = msgspec.structs.replace(make_store("paris", "edge"), is_added=True)
    stores.add_store(index.connection, SEALER, added)
    _put_twice(index, "paris")
    assert list_sole_copies(index.connection, EDGE).buckets == ()
    forget_site(index.connection, ForgetSite(site="edge"))
    assert _names(index) == ["cloud", "paris"]


def test_a_site_whose_objects_are_elsewhere_too_is_forgotten_with_its_store(index: Index) -> None:
    _put_twice(index, "cloud")
    said = forget_site(index.connection, ForgetSite(site="edge"))
    assert (said.copies, said.lost, said.has_store) == (1, 0, False)
    assert _names(index) == ["cloud"]
    assert [each.store for each in index.look_up("a").replicas] == ["cloud"]
    again = forget_site(index.connection, ForgetSite(site="edge"))
    assert (again.copies, again.lost, again.has_store) == (0, 0, False)


def test_what_has_no_other_copy_stays_known_and_keeps_its_store_known(index: Index) -> None:
    index.put("a")
    said = forget_site(index.connection, ForgetSite(site="edge"))
    assert (said.copies, said.lost, said.has_store) == (0, 1, True)
    assert _names(index) == ["cloud", "edge"]


def test_a_site_that_comes_back_is_a_new_one(index: Index) -> None:
    forget_site(index.connection, ForgetSite(site="edge"))
    index.open_session("s-edge", "edge")
    index.put("a")
    assert _names(index) == ["cloud", "edge"]
