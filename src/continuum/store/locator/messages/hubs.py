"""What hubs over one database tell each other; on `hub.<epoch>.forget`."""

import msgspec


class ForgetThings(msgspec.Struct, frozen=True, kw_only=True):
    """Hub to hub: these changed; have your sessions forget them. `number` is the same when it is said again.

    Answer: `Forgotten`. `things` are pairs as in `Invalidate`; one with an empty bucket is a user.
    """

    number: str
    things: tuple[tuple[str, str], ...]


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """`is_done`: no session serves what was before; else it is being seen to, ask again."""

    is_done: bool
