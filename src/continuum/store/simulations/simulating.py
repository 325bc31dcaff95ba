"""Running traces against policies by name or by document."""

from collections.abc import Callable, Sequence

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import parse_duration
from continuum.model.policies.documents import (
    Admission,
    BucketPolicy,
    ContinuumPolicy,
    Effective,
    Keeping,
    Placing,
    resolve,
)
from continuum.model.policies.prices import Prices, select_attributes
from continuum.model.policies.simulating import Request, Resolve, Simulation, Summary, summarise

NAMES = (*(name.value for name in Keeping if name is not Keeping.FIXED_TTL), "fixed_ttl:12h", "replicate_all")


class SimulationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the policies cost over one trace."""

    requests: int
    reads: int
    buckets: int
    sites: tuple[str, ...]
    days: float
    even_h: dict[str, float]  # T_even from the first site to each other one
    summaries: tuple[Summary, ...]


def parse_named_policy(text: str) -> Effective:
    """Return the policy that a name such as `combined`, `fixed_ttl:12h` or `t_even+second_hit` means.

    Raises `InvalidInputError`.
    """
    name, _, admission = text.partition("+")
    name, _, ttl = name.partition(":")
    if admission not in {"", *Admission} or bool(ttl) != (name == Keeping.FIXED_TTL):
        raise _no_policy(text)
    chosen = Admission(admission) if admission else Admission.FIRST
    if name == Placing.REPLICATE_ALL:
        return Effective(placement=Placing.REPLICATE_ALL)
    if name not in set(Keeping):
        raise _no_policy(text)
    if ttl:
        parse_duration(ttl)
        return Effective(keeping=Keeping.FIXED_TTL, ttl=ttl, admission=chosen)
    return Effective(keeping=Keeping(name), admission=chosen)


def _no_policy(text: str) -> InvalidInputError:
    return InvalidInputError(
        f"there is no policy {text[:60]!r}",
        hint=f"one of {', '.join(NAMES)}, with +second_hit if wanted, or a file of a bucket's policy",
    )


def simulate(
    requests: Sequence[Request],
    policies: dict[str, Effective | BucketPolicy],
    prices: Prices,
    *,
    home: str = "",
    on_policy: Callable[[str], None] = lambda _: None,
) -> SimulationReport:
    """Run a trace against each policy. `home` is where objects are that the trace does not write; the site
    of the first request by default."""
    names = list(dict.fromkeys([request.site for request in requests] + list(prices.sites)))
    home = home or _find_home(requests)
    sites = {name: select_attributes(name, prices.sites) for name in names}
    summaries = []
    for name, policy in policies.items():
        on_policy(name)
        outcome = Simulation(_resolver(policy), prices, sites, home=home).run(requests)
        summaries.append(summarise(name, outcome))
    return SimulationReport(
        requests=len(requests),
        reads=sum(request.operation == "GET" for request in requests),
        buckets=len({request.bucket for request in requests}),
        sites=tuple(names),
        days=(requests[-1].at - requests[0].at) / 86_400 if requests else 0.0,
        even_h={name: prices.even_s([home], name) / 3600 for name in names if name != home},
        summaries=tuple(summaries),
    )


def _find_home(requests: Sequence[Request]) -> str:
    written = (request.site for request in requests if request.operation in {"PUT", "COPY"})
    return next(written, requests[0].site if requests else "")


def _resolver(policy: Effective | BucketPolicy) -> Resolve:
    if isinstance(policy, Effective):
        return lambda _bucket, _key: policy
    continuum = ContinuumPolicy()
    return lambda _bucket, key: resolve(policy, continuum, key=key)
