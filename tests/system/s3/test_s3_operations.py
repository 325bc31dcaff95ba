"""Every operation of S3's service model that is not served says so, by its name."""

from typing import Any

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from s3_clients import refusal

from continuum.store.gateway.operations import OPERATIONS

pytestmark = pytest.mark.system

MODEL = ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")
# S3 Express's list of buckets has the same request as ListBuckets; answers of Object Lambda functions go to
# another host; deprecated operations have the same request as what replaced them.
SAME_REQUEST = {"ListDirectoryBuckets", "WriteGetObjectResponse"}
NOT_SERVED = sorted(
    name
    for name in MODEL.operation_names
    if name not in OPERATIONS and name not in SAME_REQUEST and not MODEL.operation_model(name).deprecated
)


def make(shape: Shape, name: str = "") -> Any:
    """The least value of a shape that botocore sends."""
    if shape.type_name == "structure":
        wanted = shape.required_members or list(shape.members)[:1]
        return {member: make(shape.members[member], member) for member in wanted}
    if shape.type_name == "list":
        return [make(shape.member)]
    if shape.type_name == "string":
        least = shape.metadata.get("min", 1)
        return shape.enum[0] if shape.enum else (name.lower() or "x").ljust(least, "x")
    simple = {"integer": 1, "long": 1, "boolean": True, "blob": b"x", "timestamp": "2030-01-01T00:00:00Z"}
    return simple[shape.type_name]


@pytest.mark.parametrize("operation", NOT_SERVED)
def test_what_is_not_served_says_so_by_name(edge, bucket, operation):
    arguments = make(MODEL.operation_model(operation).input_shape)
    call = getattr(edge, xform_name(operation))
    with pytest.raises(edge.exceptions.ClientError) as caught:
        call(**(arguments | ({"Bucket": bucket} if "Bucket" in arguments else {})))
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("NotImplemented", 501)
    assert operation in answer["Error"]["Message"]


def test_old_operations_are_the_new_ones_by_another_name(edge, bucket):
    assert refusal(edge.get_bucket_lifecycle, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)


def test_a_bucket_has_an_acl_of_its_owner_and_ownership_can_be_unset(edge, bucket):
    acl = edge.get_bucket_acl(Bucket=bucket)
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    assert acl["Owner"]["ID"] == acl["Grants"][0]["Grantee"]["ID"]
    edge.delete_bucket_ownership_controls(Bucket=bucket)
    assert refusal(edge.get_bucket_ownership_controls, Bucket=bucket) == (
        "OwnershipControlsNotFoundError",
        404,
    )
