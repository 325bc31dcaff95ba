"""The global object store: one S3 name space over the stores of all sites (Sky Store).

Belongs here: gateways (the S3 endpoint of a site), the locator (where every version of every object is), the
adapters to real stores. Never here: what objects mean, who computes on them.

Names are imported when they are first used, so that agents and drivers, which need `ObjectClient` only, load
neither the locator's database nor the gateway.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.store.gateway.settings import GatewaySettings, Limits
    from continuum.store.locator.client import LocatorClient
    from continuum.store.locator.messages import (
        AddStore,
        AttachBucket,
        Attachments,
        AttachmentState,
        Buckets,
        CancelJob,
        CreateUser,
        DeleteUser,
        DescribeAttachments,
        DescribeStores,
        DetachBucket,
        Detaching,
        Finding,
        GetJob,
        Job,
        ListBuckets,
        ListStores,
        ListUsers,
        Locate,
        Located,
        Location,
        RemoveStore,
        StartJob,
        StoreDescription,
        StoreDescriptions,
        Users,
    )
    from continuum.store.locator.service import Locator
    from continuum.store.locator.settings import LocatorSettings
    from continuum.store.objects import SOURCE_SITE_HEADER, ObjectClient, ObjectInfo
    from continuum.store.simulations.generating import TraceShape, generate
    from continuum.store.simulations.simulating import SimulationReport, parse_named_policy, simulate
    from continuum.store.simulations.traces import COLUMNS as TRACE_COLUMNS
    from continuum.store.simulations.traces import format_request, read_trace
    from continuum.store.stores.configurations import StoreConfiguration, read_store_file, resolve_store
    from continuum.store.stores.s3 import StoreClient, StoreReplyError

__all__ = [
    "SOURCE_SITE_HEADER",
    "TRACE_COLUMNS",
    "AddStore",
    "AttachBucket",
    "AttachmentState",
    "Attachments",
    "Buckets",
    "CancelJob",
    "CreateUser",
    "DeleteUser",
    "DescribeAttachments",
    "DescribeStores",
    "DetachBucket",
    "Detaching",
    "Finding",
    "GatewaySettings",
    "GetJob",
    "Job",
    "Limits",
    "ListBuckets",
    "ListStores",
    "ListUsers",
    "Locate",
    "Located",
    "Location",
    "Locator",
    "LocatorClient",
    "LocatorSettings",
    "ObjectClient",
    "ObjectInfo",
    "RemoveStore",
    "SimulationReport",
    "StartJob",
    "StoreClient",
    "StoreConfiguration",
    "StoreDescription",
    "StoreDescriptions",
    "StoreReplyError",
    "TraceShape",
    "Users",
    "format_request",
    "generate",
    "parse_named_policy",
    "read_store_file",
    "read_trace",
    "resolve_store",
    "simulate",
]

_HOMES = {
    "simulate": "simulations.simulating",
    "read_trace": "simulations.traces",
    "parse_named_policy": "simulations.simulating",
    "generate": "simulations.generating",
    "format_request": "simulations.traces",
    "TRACE_COLUMNS": "simulations",
    "TraceShape": "simulations.generating",
    "SimulationReport": "simulations.simulating",
    "AttachBucket": "locator.messages",
    "AttachmentState": "locator.messages",
    "Attachments": "locator.messages",
    "CancelJob": "locator.messages",
    "DescribeAttachments": "locator.messages",
    "DetachBucket": "locator.messages",
    "Detaching": "locator.messages",
    "Finding": "locator.messages",
    "GetJob": "locator.messages",
    "Job": "locator.messages",
    "StartJob": "locator.messages",
    "SOURCE_SITE_HEADER": "objects",
    "AddStore": "locator.messages",
    "Buckets": "locator.messages",
    "CreateUser": "locator.messages",
    "DeleteUser": "locator.messages",
    "DescribeStores": "locator.messages",
    "GatewaySettings": "gateway.settings",
    "Limits": "gateway.settings",
    "ListBuckets": "locator.messages",
    "ListStores": "locator.messages",
    "ListUsers": "locator.messages",
    "Locate": "locator.messages",
    "Located": "locator.messages",
    "Location": "locator.messages",
    "Locator": "locator.service",
    "LocatorClient": "locator.client",
    "LocatorSettings": "locator.settings",
    "ObjectClient": "objects",
    "ObjectInfo": "objects",
    "RemoveStore": "locator.messages",
    "StoreClient": "stores.s3",
    "StoreConfiguration": "stores.configurations",
    "StoreDescription": "locator.messages",
    "StoreDescriptions": "locator.messages",
    "StoreReplyError": "stores.s3",
    "Users": "locator.messages",
    "read_store_file": "stores.configurations",
    "resolve_store": "stores.configurations",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
