"""Clients of the two gateways of an embedded continuum, and buckets to work in."""

import uuid
from typing import Any

import pytest
from s3_clients import RawClient, make_client


@pytest.fixture(scope="session")
def edge(embedded: Any) -> Any:
    """A boto3 client of the gateway at the site `edge`."""
    return make_client(embedded.gateways["edge"], *embedded.credentials)


@pytest.fixture(scope="session")
def cloud(embedded: Any) -> Any:
    """A boto3 client of the gateway at the site `cloud`."""
    return make_client(embedded.gateways["cloud"], *embedded.credentials)


@pytest.fixture(scope="session")
def raw(embedded: Any) -> RawClient:
    """Hand-made requests to the gateway at the site `edge`."""
    return RawClient(embedded.gateways["edge"], *embedded.credentials)


@pytest.fixture
def bucket(edge: Any) -> str:
    """A fresh bucket whose home is the site `edge`."""
    name = f"interop-{uuid.uuid4().hex[:16]}"
    edge.create_bucket(Bucket=name)
    return name
