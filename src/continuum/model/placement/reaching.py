"""Links as bytes go over them where some stores can be connected to by their own site alone. Pure.

A site whose store others can connect to gets bytes out of a closed one straight into its own store: one more
object to write and read. Between two closed sites they pass a third one: over both links, one after the
other.
What transfers are measured to take replaces this, as it replaces what was declared.
"""

from collections.abc import Iterable, Mapping
from itertools import permutations

import msgspec

from continuum.model.placement.links import DEFAULT_LINK, OBJECT_S
from continuum.model.sites import Link, Reach


def pass_relays(links: Iterable[Link], reach: Mapping[str, Reach]) -> tuple[Link, ...]:
    """Return the links with what bringing bytes out of closed sites adds; `reach` says it of each site. Links
    that nobody declared are like an embedded continuum's."""
    declared = {(link.source, link.target): link for link in links}
    if Reach.SITE not in reach.values():
        return tuple(declared.values())
    for source, target in permutations(sorted(reach), 2):
        usual = msgspec.structs.replace(DEFAULT_LINK, source=source, target=target)
        declared.setdefault((source, target), usual)
    return tuple(_pass(link, declared, reach) for link in declared.values())


def _pass(link: Link, links: Mapping[tuple[str, str], Link], reach: Mapping[str, Reach]) -> Link:
    if reach.get(link.source) is not Reach.SITE:
        return link
    if reach.get(link.target) is not Reach.SITE:
        return msgspec.structs.replace(link, latency_s=link.latency_s + OBJECT_S)
    relays = sorted({site for site, _ in links} - {site for site in reach if reach[site] is Reach.SITE})
    ways = [
        _join(links[link.source, relay], links[relay, link.target])
        for relay in relays
        if (link.source, relay) in links and (relay, link.target) in links
    ]
    return min(ways, key=lambda way: way.latency_s + 1 / way.bandwidth_bytes_per_s, default=link)


def _join(first: Link, second: Link) -> Link:
    """Return what a link is like that passes a third site, which takes all of it before it gives any."""
    seconds_per_byte = 1 / first.bandwidth_bytes_per_s + 1 / second.bandwidth_bytes_per_s
    return Link(
        source=first.source,
        target=second.target,
        bandwidth_bytes_per_s=1 / seconds_per_byte,
        latency_s=first.latency_s + OBJECT_S + second.latency_s,
        price_eur_per_gb=first.price_eur_per_gb + second.price_eur_per_gb,
    )
