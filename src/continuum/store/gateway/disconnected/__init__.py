"""Life without the hub: what a gateway knows of buckets with `disconnected: accept`, kept on its own disk,
what it acknowledged while the hub was away, and how that is brought in afterwards.

Belongs here: the copy of the index (`indexes`), the journal in it (`journals`), the answers from it
(`answering`), what keeps it fresh (`learning`), what empties the journal (`replaying`), and when which of
them is on (`standins`). Never: how requests are parsed, who may do what, what S3 means; those are the usual
operations, which run here over other answers.
"""

from continuum.store.gateway.disconnected.standins import Standin

__all__ = ["Standin"]
