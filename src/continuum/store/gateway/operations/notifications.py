"""Who is told of what happens in a bucket: set here, done by the hub."""

from continuum.model.notifications import format_rules, parse_rules
from continuum.model.objects import Setting
from continuum.store.gateway.calls import Call
from continuum.store.gateway.notifications import format_configuration, parse_configuration
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.changing import change_setting
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import ListTargets, Targets


async def put_notification(call: Call) -> Reply:
    """Replace a bucket's notification configuration; an empty one ends notifications."""
    await call.require_bucket()
    document = read_input(call, await read_document(call))["NotificationConfiguration"]
    known: Targets = await call.context.locations.ask(ListTargets())
    rules = parse_configuration(document, {target.name for target in known.targets})
    await change_setting(call, Setting.NOTIFICATION, format_rules(rules) if rules else None)
    return answer(call)


async def get_notification(call: Call) -> Reply:
    """A bucket's notification configuration; empty if there is none."""
    bucket = await call.require_bucket()
    document = bucket.settings.get(Setting.NOTIFICATION)
    return answer(call, format_configuration(parse_rules(document)) if document is not None else {})
