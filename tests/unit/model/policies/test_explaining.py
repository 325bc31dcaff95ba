"""What a person is told about the copies of an object."""

from continuum.model.objects import Replica, Version
from continuum.model.policies.documents import Effective, Placing
from continuum.model.policies.explaining import explain, explain_policy
from continuum.model.policies.placing import plan_placement
from continuum.model.policies.prices import Prices

SITES = {name: {"site": name} for name in ("edge", "cloud", "far")}
PRICES = Prices(storage_eur_per_gb_month=0.02)
POLICY = Effective(
    placement=Placing.PUSH, sites=("far",), origins={"placement": "the bucket", "sites": "the bucket"}
)


def test_each_copy_has_its_reason_its_cost_and_its_end_and_what_is_missing_is_said() -> None:
    replicas = tuple(
        Replica(store=f"store.{site}", bucket="p", key="k", created_at=at, expires_at=expires_at)
        for site, at, expires_at in (("edge", 1.0, 0.0), ("cloud", 2.0, 7300.0))
    )
    version = Version(
        bucket="b",
        key="k",
        version_id="v",
        etag="e",
        size_bytes=5 * 10**9,
        modified_at=1.0,
        replicas=replicas,
    )
    holding = ["edge", "cloud"]
    placement = plan_placement(
        POLICY, written_at="edge", home="edge", sites=SITES, prices=PRICES, holding=holding
    )
    found = explain(
        version,
        POLICY,
        placement,
        sites={f"store.{site}": site for site in SITES},
        prices=PRICES,
        waiting={"far": "waiting for 5 s"},
        now=100.0,
    )
    assert [(copy.site, copy.reason, copy.expires_at) for copy in found.copies] == [
        ("edge", "written here", 0.0),
        ("cloud", "left by a read", 7300.0),
    ]
    assert round(found.eur_per_month, 9) == 0.2
    assert [(copy.site, copy.reason, copy.state) for copy in found.missing] == [
        ("far", "pushed here", "waiting for 5 s")
    ]
    assert found.changes == (
        "a copy will be made at far (pushed here)",
        "the copy at cloud stays for now: the copy that the placement needs at far is not there yet",
    )
    assert ("placement", "push", "the bucket") in [
        (field.name, field.value, field.origin) for field in found.policy
    ]


def test_what_nobody_said_is_the_default() -> None:
    fields = {field.name: (field.value, field.origin) for field in explain_policy(Effective())}
    assert fields["keeping"] == ("none", "the default")
    assert "ttl" not in fields
