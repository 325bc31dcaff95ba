"""The global object store: one S3 name space over the stores of all sites (Sky Store).

Belongs here: gateways (the S3 endpoint of a site), the locator (where every version of every object is), the
adapters to real stores. Never here: what objects mean, who computes on them.

Names are imported when they are first used, so that agents and drivers, which need `ObjectClient` only, load
neither the locator's database nor the gateway.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.store.encryption.masterkeys import ensure_master_keys
    from continuum.store.encryption.rotating import (
        Rewrapped,
        add_master_key,
        list_master_keys,
        retire_master_keys,
        rewrap_data_keys,
    )
    from continuum.store.gateway.settings import GatewaySettings, Limits
    from continuum.store.locator.client import LocatorClient
    from continuum.store.locator.messages import (
        AddKey,
        AddStore,
        AddTarget,
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
        GetBucket,
        GetJob,
        Job,
        Key,
        Keys,
        LifecycleStep,
        ListBuckets,
        ListKeys,
        ListStores,
        ListTargets,
        ListUsers,
        Locate,
        Located,
        Location,
        ProbedTargets,
        ProbeTargets,
        RemoveKey,
        RemoveStore,
        RemoveTarget,
        RunLifecycle,
        StartJob,
        StoreDescription,
        StoreDescriptions,
        Target,
        Targets,
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
    from continuum.store.stores.pools import PoolLimits
    from continuum.store.stores.s3 import StoreClient, StoreReplyError
    from continuum.store.transfers.buckets import BucketEnd
    from continuum.store.transfers.folders import FolderEnd
    from continuum.store.transfers.journals import Journal, name_transfer
    from continuum.store.transfers.moving import Mover
    from continuum.store.transfers.planning import Plan, TransferRequest
    from continuum.store.transfers.tallies import Tally

__all__ = [
    "SOURCE_SITE_HEADER",
    "TRACE_COLUMNS",
    "AddKey",
    "AddStore",
    "AddTarget",
    "AttachBucket",
    "AttachmentState",
    "Attachments",
    "BucketEnd",
    "Buckets",
    "CancelJob",
    "CreateUser",
    "DeleteUser",
    "DescribeAttachments",
    "DescribeStores",
    "DetachBucket",
    "Detaching",
    "Finding",
    "FolderEnd",
    "GatewaySettings",
    "GetBucket",
    "GetJob",
    "Job",
    "Journal",
    "Key",
    "Keys",
    "LifecycleStep",
    "Limits",
    "ListBuckets",
    "ListKeys",
    "ListStores",
    "ListTargets",
    "ListUsers",
    "Locate",
    "Located",
    "Location",
    "Locator",
    "LocatorClient",
    "LocatorSettings",
    "Mover",
    "ObjectClient",
    "ObjectInfo",
    "Plan",
    "PoolLimits",
    "ProbeTargets",
    "ProbedTargets",
    "RemoveKey",
    "RemoveStore",
    "RemoveTarget",
    "Rewrapped",
    "RunLifecycle",
    "SimulationReport",
    "StartJob",
    "StoreClient",
    "StoreConfiguration",
    "StoreDescription",
    "StoreDescriptions",
    "StoreReplyError",
    "Tally",
    "Target",
    "Targets",
    "TraceShape",
    "TransferRequest",
    "Users",
    "add_master_key",
    "ensure_master_keys",
    "format_request",
    "generate",
    "list_master_keys",
    "name_transfer",
    "parse_named_policy",
    "read_store_file",
    "read_trace",
    "resolve_store",
    "retire_master_keys",
    "rewrap_data_keys",
    "simulate",
]

_HOMES = {
    "AddKey": "locator.messages",
    "Key": "locator.messages",
    "Keys": "locator.messages",
    "ListKeys": "locator.messages",
    "RemoveKey": "locator.messages",
    "AddStore": "locator.messages",
    "AttachBucket": "locator.messages",
    "AttachmentState": "locator.messages",
    "Attachments": "locator.messages",
    "BucketEnd": "transfers.buckets",
    "Buckets": "locator.messages",
    "CancelJob": "locator.messages",
    "CreateUser": "locator.messages",
    "DeleteUser": "locator.messages",
    "DescribeAttachments": "locator.messages",
    "DescribeStores": "locator.messages",
    "DetachBucket": "locator.messages",
    "Detaching": "locator.messages",
    "Finding": "locator.messages",
    "FolderEnd": "transfers.folders",
    "GatewaySettings": "gateway.settings",
    "GetJob": "locator.messages",
    "Job": "locator.messages",
    "Journal": "transfers.journals",
    "GetBucket": "locator.messages",
    "LifecycleStep": "locator.messages",
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
    "Mover": "transfers.moving",
    "ObjectClient": "objects",
    "ObjectInfo": "objects",
    "Plan": "transfers.planning",
    "PoolLimits": "stores.pools",
    "RemoveStore": "locator.messages",
    "SOURCE_SITE_HEADER": "objects",
    "SimulationReport": "simulations.simulating",
    "StartJob": "locator.messages",
    "RunLifecycle": "locator.messages",
    "StoreClient": "stores.s3",
    "StoreConfiguration": "stores.configurations",
    "StoreDescription": "locator.messages",
    "StoreDescriptions": "locator.messages",
    "StoreReplyError": "stores.s3",
    "TRACE_COLUMNS": "simulations",
    "Tally": "transfers.tallies",
    "TraceShape": "simulations.generating",
    "TransferRequest": "transfers.planning",
    "Users": "locator.messages",
    "Targets": "locator.messages",
    "Target": "locator.messages",
    "RemoveTarget": "locator.messages",
    "ProbedTargets": "locator.messages",
    "ProbeTargets": "locator.messages",
    "ListTargets": "locator.messages",
    "AddTarget": "locator.messages",
    "ensure_master_keys": "encryption.masterkeys",
    "format_request": "simulations.traces",
    "generate": "simulations.generating",
    "name_transfer": "transfers.journals",
    "parse_named_policy": "simulations.simulating",
    "read_store_file": "stores.configurations",
    "read_trace": "simulations.traces",
    "resolve_store": "stores.configurations",
    "simulate": "simulations.simulating",
    "Rewrapped": "encryption.rotating",
    "add_master_key": "encryption.rotating",
    "list_master_keys": "encryption.rotating",
    "retire_master_keys": "encryption.rotating",
    "rewrap_data_keys": "encryption.rotating",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
