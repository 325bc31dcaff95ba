"""Who may do what, as AWS decides it: bucket policies, access control lists, blocks of public access. Pure.

    patterns     wildcards and variables
    conditions   operators over what is known of a request
    policies     documents: parsed strictly, evaluated
    grants       access control lists, canned and explicit
    blocks       public access block and object ownership
    actions      the actions that there are, and what they apply to

A document that says anything that is not understood here is refused when it is put, never ignored: what is
kept means what it says. Sources: IAM User Guide, "IAM JSON policy element reference" and "Policy evaluation
logic"; Amazon S3 User Guide, "Access control list (ACL) overview", "Blocking public access".
"""

from continuum.model.access.actions import BUCKET_ACTIONS, OBJECT_ACTIONS
from continuum.model.access.blocks import (
    DEFAULT_BLOCK,
    Ownership,
    PublicAccessBlock,
)
from continuum.model.access.grants import (
    ALL_USERS,
    AUTHENTICATED_USERS,
    Acl,
    Grant,
    Permission,
    acl_allows,
    canned_acl,
)
from continuum.model.access.policies import (
    Asked,
    Decision,
    Policy,
    PolicyError,
    evaluate,
    is_public,
    parse_bucket_policy,
    parse_session_policy,
)

__all__ = [
    "ALL_USERS",
    "AUTHENTICATED_USERS",
    "BUCKET_ACTIONS",
    "DEFAULT_BLOCK",
    "OBJECT_ACTIONS",
    "Acl",
    "Asked",
    "Decision",
    "Grant",
    "Ownership",
    "Permission",
    "Policy",
    "PolicyError",
    "PublicAccessBlock",
    "acl_allows",
    "canned_acl",
    "evaluate",
    "is_public",
    "parse_bucket_policy",
    "parse_session_policy",
]
