"""The lifecycle of a bucket's objects: the rules are set here and followed by the hub."""

from continuum.model.lifecycle import format_rules, parse_rules
from continuum.model.objects import Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.lifecycles import format_configuration, parse_configuration
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import ChangeBucket

# There is one storage class, so what S3 would keep from other classes by default makes no difference.
MINIMUM_SIZE = "all_storage_classes_128K"


async def put_lifecycle(call: Call) -> Reply:
    """Replace a bucket's rules."""
    await call.require_bucket()
    body = await read_document(call)
    if not body:
        raise S3Error("MissingRequestBodyError")
    document = read_input(call, body)["LifecycleConfiguration"]
    rules = parse_configuration(document["Rules"])
    await _change(call, settings={Setting.LIFECYCLE: format_rules(rules)})
    return answer(call, {"TransitionDefaultMinimumObjectSize": MINIMUM_SIZE})


async def get_lifecycle(call: Call) -> Reply:
    """The rules of a bucket."""
    bucket = await call.require_bucket()
    document = bucket.settings.get(Setting.LIFECYCLE)
    if document is None:
        raise S3Error("NoSuchLifecycleConfiguration", extra={"BucketName": call.bucket})
    return answer(
        call,
        {
            "Rules": format_configuration(parse_rules(document)),
            "TransitionDefaultMinimumObjectSize": MINIMUM_SIZE,
        },
    )


async def delete_lifecycle(call: Call) -> Reply:
    """Take a bucket's rules away; from then on nothing expires."""
    await call.require_bucket()
    await _change(call, unset=(Setting.LIFECYCLE.value,))
    return answer(call)


async def _change(call: Call, settings: dict[str, bytes] | None = None, unset: tuple[str, ...] = ()) -> None:
    locations = call.context.locations
    change = ChangeBucket(
        session_id=locations.session_id, name=call.bucket, settings=settings or {}, unset=unset
    )
    await locations.change(change, (call.bucket, ""))
