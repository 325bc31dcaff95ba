"""What clients ask of a bucket that is never set here: answered as S3 answers where nothing was set."""

from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer
from continuum.store.gateway.replies import Reply


async def get_request_payment(call: Call) -> Reply:
    """The owner of a bucket pays, always."""
    await call.require_bucket()
    return answer(call, {"Payer": "BucketOwner"})


async def get_empty(call: Call) -> Reply:
    """Acceleration of transfers, and logging of requests into a bucket: never on."""
    await call.require_bucket()
    return answer(call)


async def get_website(call: Call) -> Reply:
    """No bucket is a website."""
    await call.require_bucket()
    raise S3Error("NoSuchWebsiteConfiguration", extra={"BucketName": call.bucket})


async def get_replication(call: Call) -> Reply:
    """Copies are made by the bucket's policy, not by S3's replication."""
    await call.require_bucket()
    raise S3Error("ReplicationConfigurationNotFoundError", extra={"BucketName": call.bucket})
