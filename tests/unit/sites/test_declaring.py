"""What is declared of sites and links when a continuum is brought up."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.sites import SiteCosts
from continuum.sites.embedded.declaring import choose_costs, choose_links
from continuum.sites.embedded.plans import default_links

SITES = ("edge", "cloud")


def test_costs_are_declared_by_site_and_stay():
    first = choose_costs(["cloud:price=0.05,carbon=300", "edge:busy=12,idle=3"], {}, SITES)
    assert first["cloud"] == SiteCosts(price_eur_per_unit_h=0.05, carbon_g_per_kwh=300.0)
    assert first["edge"] == SiteCosts(busy_w_per_unit=12.0, idle_w_per_unit=3.0)
    second = choose_costs(["cloud:price=0.04"], first, SITES)
    assert second["cloud"] == SiteCosts(price_eur_per_unit_h=0.04, carbon_g_per_kwh=300.0)
    assert second["edge"] == first["edge"]


def test_links_are_declared_one_way():
    links = choose_links(["edge:cloud:bandwidth=10MB,latency=0.02,price=0.09"], (), default_links(SITES))
    found = {(link.source, link.target): link for link in links}
    assert found["edge", "cloud"].bandwidth_bytes_per_s == 1e7
    assert found["edge", "cloud"].price_eur_per_gb == 0.09
    assert found["cloud", "edge"] in default_links(SITES)
    assert choose_links([], links, default_links(SITES)) == links


@pytest.mark.parametrize(
    "word",
    ["moon:price=1", "edge", "edge:", "edge:price", "edge:price=-1", "edge:price=x", "edge:colour=1",
     "edge:idle=9,busy=1", "edge:price=1,price=2"],
)  # fmt: skip
def test_costs_that_cannot_be_are_refused(word):
    with pytest.raises(InvalidInputError):
        choose_costs([word], {}, SITES)


@pytest.mark.parametrize(
    "word",
    ["edge:moon:price=1", "edge:cloud", "edge:edge:price=1", "edge:cloud:bandwidth=0",
     "edge:cloud:latency=nan", "edge:cloud:bandwidth=fast"],
)  # fmt: skip
def test_links_that_cannot_be_are_refused(word):
    with pytest.raises(InvalidInputError):
        choose_links([word], (), default_links(SITES))
