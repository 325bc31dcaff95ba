"""Which block cache a gateway has: what its settings say, then what its environment says. Pure.

`CONTINUUM_GATEWAY_BLOCKS` is the capacity, like `20GB`; `0` means no cache. `CONTINUUM_GATEWAY_BLOCKS_FOLDER`
is the folder; the name of the gateway is added, so that several gateways of a machine can be told the same.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from continuum.model.policies.amounts import parse_size
from continuum.store.gateway.settings import BlockSettings, GatewaySettings, check_blocks

CAPACITY = "CONTINUUM_GATEWAY_BLOCKS"
FOLDER = "CONTINUUM_GATEWAY_BLOCKS_FOLDER"


def choose_blocks(settings: GatewaySettings, environment: Mapping[str, str]) -> BlockSettings | None:
    """Return the settings of the cache; None for no cache. Raises `InvalidInputError`."""
    chosen = settings.blocks
    if folder := environment.get(FOLDER, ""):
        place = Path(folder) / settings.gateway
        chosen = BlockSettings(folder=place) if chosen is None else replace(chosen, folder=place)
    if chosen is not None and (text := environment.get(CAPACITY, "")):
        capacity_bytes = parse_size(text)
        if not capacity_bytes:
            return None
        chosen = replace(chosen, capacity_bytes=capacity_bytes)
    if chosen is not None:
        check_blocks(chosen)
    return chosen
