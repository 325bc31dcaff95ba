"""Blocks of objects that lie at other sites, kept in files of the gateway's own: one remote read serves all
who want the same bytes, now and later.

A block is an aligned piece of a version's stored bytes (sealed ones, if it is encrypted). Nothing in the
index knows of it and it may vanish at any time: it is never the place of a replica.
"""

from continuum.store.gateway.blocks.caches import BlockCache, open_block_cache
from continuum.store.gateway.blocks.choosing import choose_blocks
from continuum.store.gateway.blocks.readers import BlockReader, read_all

__all__ = ["BlockCache", "BlockReader", "choose_blocks", "open_block_cache", "read_all"]
