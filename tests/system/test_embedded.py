"""The embedded continuum as its user sees it: up, status, down, and what happens when something is wrong."""

import pytest
from embedding import Embedded

pytestmark = pytest.mark.system


def test_an_object_put_at_one_site_is_read_at_the_other(embedded: Embedded) -> None:
    embedded.boto3_client("edge").create_bucket(Bucket="both-sites")
    embedded.boto3_client("edge").put_object(Bucket="both-sites", Key="a", Body=b"bytes")
    got = embedded.boto3_client("cloud").get_object(Bucket="both-sites", Key="a")
    assert got["Body"].read() == b"bytes"
