"""What a site offers beyond cores and memory."""

import pytest

from continuum.model.offers import why_not_offered
from continuum.model.placement import SiteLoad
from continuum.model.tasks import Needs

SITE = SiteLoad(
    name="here",
    computing_units=4,
    gpus=2,
    storage_bytes=10**10,
    nodes=2,
    labels={"storage_type": "ssd", "host_queues": "long, short", "processor_speed": "2.4", "fpgas": "1"},
)


@pytest.mark.parametrize(
    "needs",
    [
        Needs(),
        Needs(gpus=2, nodes=2, storage_bytes=10**10),
        Needs(labels=(("storage_type", "SSD"),)),
        Needs(labels=(("host_queues", "short"),)),
        Needs(labels=(("host_queues", "short,long"),)),
        Needs(labels=(("processor_speed", "2"), ("fpgas", "1"))),
    ],
)
def test_what_a_site_offers_can_be_had(needs):
    assert why_not_offered(needs, SITE) == ""


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        (Needs(gpus=3), "needs 3 GPUs, has 2"),
        (Needs(nodes=3), "needs 3 machines, has 2"),
        (Needs(storage_bytes=10**11), "needs 100 GB of storage, has 10 GB"),
        (Needs(labels=(("storage_type", "hdd"),)), "needs storage_type hdd, has ssd"),
        (Needs(labels=(("host_queues", "gpu"),)), "needs host_queues gpu, has long, short"),
        (Needs(labels=(("processor_speed", "3"),)), "needs processor_speed 3, has 2.4"),
        (Needs(labels=(("memory_type", "DRAM"),)), "needs memory_type DRAM, says nothing about it"),
    ],
)
def test_what_it_does_not_offer_is_said(needs, why):
    assert why_not_offered(needs, SITE) == why


def test_a_site_that_says_nothing_has_no_gpu_and_no_storage():
    site = SiteLoad(name="bare", computing_units=1)
    assert why_not_offered(Needs(gpus=1), site) == "needs a GPU, has none"
    assert "does not say" in why_not_offered(Needs(storage_bytes=1), site)
