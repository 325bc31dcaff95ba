"""What a person declares that sites have."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.sites import Reach, SiteOffers
from continuum.sites.embedded.offering import choose_offers

SITES = ("edge", "cloud")


def test_offers_are_declared_and_stay_until_they_are_declared_anew():
    first = choose_offers(
        ["cloud:gpus=2,software=casa+wsclean,storage_type=ssd", "edge:nodes=a+b,units=8"], {}, SITES
    )
    assert first["cloud"] == SiteOffers(gpus=2, software=("casa", "wsclean"), labels={"storage_type": "ssd"})
    assert (first["edge"].nodes, first["edge"].computing_units) == (("a", "b"), 8)
    second = choose_offers(["cloud:gpus=,storage_type=,host_queues=long+short"], first, SITES)
    assert second["cloud"] == SiteOffers(software=("casa", "wsclean"), labels={"host_queues": "long,short"})
    assert choose_offers([], second, ("edge",)) == {"edge": first["edge"]}


def test_limits_of_workers_are_declared_for_the_pool_and_for_dask():
    offers = choose_offers(["cloud:engine=dask,workers=1-4:60,units=4"], {}, SITES)
    assert offers["cloud"] == SiteOffers(engine="dask", workers="1-4:60", computing_units=4)
    assert choose_offers(["edge:workers=0-2"], offers, SITES)["edge"] == SiteOffers(workers="0-2")
    for word in ("cloud:workers=5", "cloud:workers=four", "cloud:engine=tcp://there:8786"):
        with pytest.raises(InvalidInputError):
            choose_offers([word], offers, SITES)


@pytest.mark.parametrize(
    "word", ["moon:gpus=1", "edge", "edge:gpus", "edge:gpus=many", "edge:gpus=-1", "edge:a b=1"]
)
def test_what_says_nothing_is_refused(word):
    with pytest.raises(InvalidInputError):
        choose_offers([word], {}, SITES)


def test_the_compss_runtime_is_refused_as_a_sites_engine_with_what_to_do():
    with pytest.raises(InvalidInputError, match="whole programs") as refused:
        choose_offers(["edge:engine=compss"], {}, SITES)
    assert "--engine compss" in refused.value.hint


def test_a_store_that_only_its_site_reaches_is_declared_and_taken_back():
    closed = choose_offers(["edge:reach=site"], {}, SITES)
    assert closed["edge"] == SiteOffers(reach=Reach.SITE)
    assert choose_offers(["edge:reach="], closed, SITES)["edge"] == SiteOffers()
    with pytest.raises(InvalidInputError, match="no reach"):
        choose_offers(["edge:reach=nobody"], {}, SITES)
