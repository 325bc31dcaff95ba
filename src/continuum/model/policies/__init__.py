"""Policies of the store: where copies of a version are, which of them a read takes, how long they are kept.

Pure functions over names, replicas and prices; gateways, the locator and the simulator ask the same ones.
`documents` is what a person writes, `placing` which sites need a copy, `reading` the order of replicas,
`keeping` for how long a copy that a read left is kept, `histograms` what was learnt of reads, `prices` what
storage and transfer cost, `explaining` why a copy is where it is, `simulating` what policies would have cost.
"""

from continuum.model.policies.reading import (
    Policy,
    choose_store_to_write,
    decide_to_keep_copy,
    order_replicas,
    require_replicas,
)

__all__ = [
    "Policy",
    "choose_store_to_write",
    "decide_to_keep_copy",
    "order_replicas",
    "require_replicas",
]
