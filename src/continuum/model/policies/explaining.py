"""Why the copies of an object are where they are, what they cost, and what will change."""

from collections.abc import Mapping, Sequence

import msgspec

from continuum.model.objects import Version
from continuum.model.policies.amounts import format_duration
from continuum.model.policies.documents import Effective
from continuum.model.policies.placing import Placement, find_reason_to_keep
from continuum.model.policies.prices import Prices


class ExplainedCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that is there. `expires_at` 0: it stays."""

    store: str
    site: str
    reason: str
    since: float
    expires_at: float
    eur_per_month: float


class MissingCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that the placement needs and that is not there. `state` says what is known of it."""

    site: str
    reason: str
    state: str


class ExplainedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the policy, and who said it."""

    name: str
    value: str
    origin: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about where an object is."""

    bucket: str
    key: str
    version_id: str
    size_bytes: int
    copies: tuple[ExplainedCopy, ...]
    missing: tuple[MissingCopy, ...]
    changes: tuple[str, ...]
    policy: tuple[ExplainedPolicy, ...]
    eur_per_month: float


def explain(
    version: Version,
    policy: Effective,
    placement: Placement,
    *,
    sites: Mapping[str, str],
    prices: Prices,
    waiting: Mapping[str, str],
    now: float,
) -> Explanation:
    """Return why things are as they are. `sites` maps stores to their sites, `waiting` maps sites that wait
    for a copy to what is known of it."""
    copies = _explain_copies(version, placement, sites, prices)
    missing = _find_missing(placement, {copy.site for copy in copies}, waiting)
    return Explanation(
        bucket=version.bucket,
        key=version.key,
        version_id=version.public_id,
        size_bytes=version.size_bytes,
        copies=copies,
        missing=missing,
        changes=_find_changes(copies, missing, placement, now),
        policy=explain_policy(policy),
        eur_per_month=sum(copy.eur_per_month for copy in copies),
    )


def _explain_copies(
    version: Version, placement: Placement, sites: Mapping[str, str], prices: Prices
) -> tuple[ExplainedCopy, ...]:
    reasons = {needed.site: needed.reason for needed in placement.needed}
    found = []
    for replica in version.replicas:
        site = sites.get(replica.store, "")
        reason = reasons.get(site) or ("left by a read" if replica.expires_at else "kept since it is there")
        found.append(
            ExplainedCopy(
                store=replica.store,
                site=site,
                reason=reason,
                since=replica.created_at,
                expires_at=0.0 if site in reasons else replica.expires_at,
                eur_per_month=prices.monthly_eur(site, version.size_bytes),
            )
        )
    return tuple(found)


def _find_missing(
    placement: Placement, holding: set[str], waiting: Mapping[str, str]
) -> tuple[MissingCopy, ...]:
    missing = [
        MissingCopy(
            site=needed.site,
            reason=needed.reason,
            state=waiting.get(needed.site, "not queued: the policy is newer than the object"),
        )
        for needed in placement.needed
        if needed.site not in holding
    ]
    return tuple(missing)


def _find_changes(
    copies: Sequence[ExplainedCopy], missing: Sequence[MissingCopy], placement: Placement, now: float
) -> tuple[str, ...]:
    changes = [f"a copy will be made at {each.site} ({each.reason})" for each in missing]
    holding = [copy.site for copy in copies]
    for copy in sorted(copies, key=lambda each: each.expires_at):
        if not copy.expires_at:
            continue
        reason = find_reason_to_keep(copy.site, holding, placement)
        left_s = max(copy.expires_at - now, 0.0)
        if reason:
            changes.append(f"the copy at {copy.site} stays for now: {reason}")
        else:
            changes.append(f"the copy at {copy.site} goes in {format_duration(left_s)} unless it is read")
    changes += [f"the policy cannot be fulfilled: {unmet}" for unmet in placement.unmet]
    return tuple(changes)


def explain_policy(policy: Effective) -> tuple[ExplainedPolicy, ...]:
    """Return the fields of a policy that say something, and who said them."""
    fields = []
    for name in (
        "placement",
        "sites",
        "copies",
        "at_least",
        "reading",
        "keeping",
        "ttl",
        "admission",
        "cache",
    ):
        value = getattr(policy, name)
        if value == () or (name == "ttl" and name not in policy.origins):
            continue
        fields.append(
            ExplainedPolicy(name=name, value=_say(value), origin=policy.origins.get(name, "the default"))
        )
    return tuple(fields)


def _say(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(_say(each) for each in value)
    if isinstance(value, msgspec.Struct):
        plain = msgspec.structs.asdict(value)
        where = ", ".join(f"{name} {text}" for name, text in plain.pop("where", {}).items())
        return " ".join([*(f"{name} {each}" for name, each in plain.items()), f"at {where}"])
    return str(value)
