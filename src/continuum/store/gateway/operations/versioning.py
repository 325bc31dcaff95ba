"""Whether a bucket keeps versions."""

from continuum.model.objects import Setting, Versioning
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import ChangeBucket


async def put_bucket_versioning(call: Call) -> Reply:
    """Enable or suspend versioning. MFA delete is refused: there is nobody here who could check it."""
    bucket = await call.require_bucket()
    wanted = read_input(call, await read_document(call))["VersioningConfiguration"]
    if wanted.get("MFADelete") == "Enabled":
        raise S3Error("NotImplemented", "MFA delete is not implemented here; use object lock.")
    if "Status" not in wanted:
        raise S3Error("IllegalVersioningConfigurationException")
    versioning = Versioning(wanted["Status"])
    if versioning is not Versioning.ENABLED and Setting.OBJECT_LOCK in bucket.settings:
        raise S3Error(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be"
            " changed.",
        )
    locations = call.context.locations
    request = ChangeBucket(session_id=locations.session_id, name=bucket.name, versioning=versioning)
    await locations.change(request, (bucket.name, ""))
    return answer(call)


async def get_bucket_versioning(call: Call) -> Reply:
    """Tell whether versions are kept; nothing for a bucket where that was never said."""
    bucket = await call.require_bucket()
    return answer(call, {"Status": bucket.versioning.value} if bucket.versioning else {})
