"""Which rights an operation needs."""

import pytest

from continuum.model.access.actions import EVERY_ACTION
from continuum.store.errors import S3Error
from continuum.store.gateway.operations import OPERATIONS
from continuum.store.gateway.permissions import BY_KEY, list_needs
from continuum.store.gateway.routes import Routed


def actions(operation: str, query: dict[str, str] | None = None, **headers: str) -> list[str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = list_needs(Routed(operation, "b", "k", query or {}), named)
    return [need.action.removeprefix("s3:") for need in found]


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_that_is_served_needs_a_right_that_policies_can_name(operation: str) -> None:
    found = list_needs(Routed(operation, "b", "k"), {"x-amz-copy-source": "b/k"})
    assert operation in BY_KEY or found
    assert {need.action for need in found} <= EVERY_ACTION


def test_versions_have_rights_of_their_own() -> None:
    assert actions("GetObject") == ["GetObject"]
    assert actions("GetObject", {"versionId": "v"}) == ["GetObjectVersion"]
    assert actions("DeleteObject", {"versionId": "v"}) == ["DeleteObjectVersion"]


def test_what_a_write_brings_along_needs_further_rights() -> None:
    assert actions("PutObject", x_amz_acl="private", x_amz_tagging="a=b") == [
        "PutObject",
        "PutObjectAcl",
        "PutObjectTagging",
    ]
    assert actions("DeleteObject", x_amz_bypass_governance_retention="true") == [
        "DeleteObject",
        "BypassGovernanceRetention",
    ]
    assert actions("CopyObject", x_amz_copy_source="/c/d") == ["PutObject", "GetObject", "GetObjectTagging"]
    source = list_needs(Routed("CopyObject", "b", "k"), {"x-amz-copy-source": "/c/d%20e?versionId=v"})[1]
    assert (source.action, source.bucket, source.key, source.version_id) == (
        "s3:GetObjectVersion",
        "c",
        "d e",
        "v",
    )
    with pytest.raises(S3Error):
        actions("CopyObject", x_amz_copy_source="nothing")
