"""How new objects of a bucket are encrypted if their requests do not say."""

from typing import Any

import msgspec

from continuum.model.objects import Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.encrypting import ALGORITHM, check_algorithm, refuse_attached
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import ChangeBucket


class DefaultEncryption(msgspec.Struct, frozen=True):
    """What a bucket's setting holds."""

    algorithm: str
    bucket_key: bool = False


async def put_bucket_encryption(call: Call) -> Reply:
    """Encrypt what is written from now on. What is there already stays as it is."""
    bucket = await call.require_bucket()
    refuse_attached(bucket)
    wanted = read_input(call, await read_document(call))["ServerSideEncryptionConfiguration"]
    setting = _read_rule(wanted.get("Rules") or [])
    if not call.context.vault.master_keys.ids:
        raise S3Error(
            "InvalidRequest", "This gateway has no master key, so it cannot encrypt what is written here."
        )
    locations = call.context.locations
    request = ChangeBucket(
        session_id=locations.session_id,
        name=bucket.name,
        settings={Setting.ENCRYPTION.value: msgspec.json.encode(setting)},
    )
    await locations.change(request, (bucket.name, ""))
    return answer(call)


def _read_rule(rules: list[dict[str, Any]]) -> DefaultEncryption:
    if len(rules) != 1 or "ApplyServerSideEncryptionByDefault" not in rules[0]:
        raise S3Error("MalformedXML")
    rule = rules[0]
    chosen = rule["ApplyServerSideEncryptionByDefault"]
    check_algorithm(chosen["SSEAlgorithm"])
    if chosen.get("KMSMasterKeyID"):
        raise S3Error("InvalidArgument", "a KMSMasterKeyID is not applicable if the algorithm is not aws:kms")
    blocked = (rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType") or []
    if set(blocked) - {"NONE"}:
        raise S3Error("NotImplemented", "Blocking types of encryption is not implemented here.")
    return DefaultEncryption(ALGORITHM, bool(rule.get("BucketKeyEnabled", False)))


async def get_bucket_encryption(call: Call) -> Reply:
    """Tell the bucket's default."""
    bucket = await call.require_bucket()
    document = bucket.settings.get(Setting.ENCRYPTION)
    if document is None:
        raise S3Error("ServerSideEncryptionConfigurationNotFoundError")
    setting = msgspec.json.decode(document, type=DefaultEncryption)
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": setting.algorithm},
        "BucketKeyEnabled": setting.bucket_key,
    }
    return answer(call, {"ServerSideEncryptionConfiguration": {"Rules": [rule]}})


async def delete_bucket_encryption(call: Call) -> Reply:
    """Leave new objects as they come. What is encrypted stays so."""
    bucket = await call.require_bucket()
    locations = call.context.locations
    request = ChangeBucket(
        session_id=locations.session_id, name=bucket.name, unset=(Setting.ENCRYPTION.value,)
    )
    await locations.change(request, (bucket.name, ""))
    return answer(call)
