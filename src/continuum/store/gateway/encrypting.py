"""Server-side encryption as S3 speaks of it: which a request asks for, which key opens a version, what a
reply says.

SSE-S3 (`AES256`): every object has a data key of its own, wrapped by the gateway's master key. SSE-C: the
data key is derived from the customer's key and a salt; of the key only a keyed digest is kept, which tells
the right one. Source: Amazon S3 User Guide, "Using server-side encryption with Amazon S3 managed keys" and
"… with customer-provided keys".
"""

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping

import msgspec

from continuum.model.encryption import SSE_C, SSE_S3, Encryption, format_encryption, read_encryption
from continuum.model.objects import Bucket, Setting
from continuum.store.encryption.masterkeys import (
    MissingMasterKeyError,
    derive_customer_keys,
    open_customer_key,
)
from continuum.store.encryption.segments import KEY_BYTES, CorruptError, Sealer
from continuum.store.errors import S3Error
from continuum.store.gateway.vaults import Vault

log = logging.getLogger(__name__)

ALGORITHM = "AES256"
HEADER = "x-amz-server-side-encryption"
CUSTOMER = f"{HEADER}-customer-"
COPY_SOURCE_CUSTOMER = "x-amz-copy-source-server-side-encryption-customer-"
CUSTOMER_HEADERS = frozenset({f"{CUSTOMER}algorithm", f"{CUSTOMER}key", f"{CUSTOMER}key-md5"})
_KMS = frozenset({"aws:kms", "aws:kms:dsse"})
_KMS_HEADERS = (f"{HEADER}-aws-kms-key-id", f"{HEADER}-context")
_SALT_BYTES = 32


class CustomerKey(msgspec.Struct, frozen=True):
    """A customer's key and its MD5 in base64, as the request gives it. Never in a repr."""

    key: bytes
    md5: str

    def __repr__(self) -> str:
        return "CustomerKey()"

    @property
    def headers(self) -> dict[str, str]:
        """What a reply says of it."""
        return {f"{CUSTOMER}algorithm": ALGORITHM, f"{CUSTOMER}key-MD5": self.md5}


class Protection(msgspec.Struct, frozen=True):
    """How a write is encrypted: what is kept of it, the data key, what the reply says."""

    encryption: Encryption
    key: bytes
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"Protection({self.encryption!r})"

    @property
    def document(self) -> bytes:
        """What is kept of it before there are bytes (an upload's)."""
        return format_encryption(self.encryption)

    def open_sealer(self, part_number: int = 0) -> Sealer:
        """Return what seals an object in one piece, or a part."""
        return Sealer(self.key, part_number, segment_bytes=self.encryption.segment_bytes)


def choose_protection(headers: Mapping[str, str], bucket: Bucket, vault: Vault) -> Protection | None:
    """Return how a new object is to be encrypted, as the request says or its bucket; None: it is not.

    Raises `S3Error`.
    """
    customer = parse_customer_key(headers, vault)
    if customer is not None:
        if HEADER in headers:
            raise S3Error(
                "InvalidArgument",
                "Server Side Encryption with Customer provided key is incompatible with the encryption method"
                " specified",
            )
        refuse_attached(bucket)
        return protect_with_customer_key(customer)
    if not wants_encryption(headers, bucket):
        return None
    refuse_attached(bucket)
    return protect(vault)


def refuse_attached(bucket: Bucket) -> None:
    """Raise `S3Error` if what is in the bucket lies in a store under its own name, for others to read."""
    if Setting.ATTACHMENT in bucket.settings:
        raise S3Error(
            "InvalidRequest",
            f"The bucket {bucket.name} is attached: its objects lie under their own names, for whoever uses "
            "their store, and cannot be encrypted by gateways.",
            hint="write without encryption, or into a bucket that is not attached",
        )


def wants_encryption(headers: Mapping[str, str], bucket: Bucket) -> bool:
    """Whether SSE-S3 is asked for. Raises `S3Error` for what is not offered."""
    asked = headers.get(HEADER)
    for name in _KMS_HEADERS:
        if name in headers:
            raise S3Error("NotImplemented", "Keys of AWS KMS are not supported here.", extra={"Header": name})
    if asked is None:
        return Setting.ENCRYPTION in bucket.settings
    check_algorithm(asked)
    return True


def check_algorithm(name: str) -> None:
    """Raise `S3Error` unless it is the one algorithm that there is."""
    if name in _KMS:
        raise S3Error(
            "NotImplemented", f"{name} is not supported here.", hint=f"use {ALGORITHM} or a customer's key"
        )
    if name != ALGORITHM:
        raise S3Error("InvalidEncryptionAlgorithmError", extra={"ArgumentValue": name[:40]})


def protect(vault: Vault) -> Protection:
    """Return SSE-S3 with a new data key. Raises `S3Error` if there is no master key."""
    key = secrets.token_bytes(KEY_BYTES)
    return Protection(_wrap(vault, key, Encryption(form=1, mode=SSE_S3)), key, {HEADER: ALGORITHM})


def _wrap(vault: Vault, key: bytes, encryption: Encryption) -> Encryption:
    try:
        key_id, wrapped = vault.master_keys.wrap(key)
    except MissingMasterKeyError as problem:
        raise S3Error("InvalidRequest", problem.message, hint=problem.hint) from problem
    return msgspec.structs.replace(encryption, key_id=key_id, wrapped_key=wrapped)


def protect_with_customer_key(customer: CustomerKey) -> Protection:
    """Return SSE-C with a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key, check = derive_customer_keys(customer.key, salt)
    return Protection(Encryption(form=1, mode=SSE_C, salt=salt, check=check), key, customer.headers)


def renew(vault: Vault, encryption: Encryption, key: bytes) -> Encryption:
    """Return the same encryption under the master key that is current now: a write may take longer than a
    rotation."""
    if encryption.mode != SSE_S3 or vault.master_keys.is_current(encryption.key_id):
        return encryption
    return _wrap(vault, key, encryption)


def rewrap(vault: Vault, encryption: Encryption) -> Encryption:
    """Return the same encryption with its data key under the current master key (SSE-S3)."""
    return _wrap(vault, _unwrap(vault, encryption), encryption)


def continue_protection(document: bytes, customer: CustomerKey | None, vault: Vault) -> Protection | None:
    """Return how the parts of an upload are encrypted. Raises `S3Error` unless the key is the upload's."""
    encryption = read_encryption(document)
    if encryption is None:
        if customer is not None:
            raise S3Error("InvalidRequest", _NOT_APPLICABLE)
        return None
    if encryption.mode == SSE_S3:
        key = unlock(encryption, customer, vault)
        return Protection(encryption, key, {HEADER: ALGORITHM})
    if customer is None:
        raise S3Error(
            "InvalidRequest",
            "The multipart upload initiate requested encryption. Subsequent part requests must include the"
            " appropriate encryption parameters.",
        )
    found = open_customer_key(customer.key, encryption.salt, encryption.check)
    if found is None:
        raise S3Error(
            "InvalidRequest",
            "The provided encryption parameters did not match the ones used originally to encrypt the"
            " object.",
        )
    return Protection(encryption, found, customer.headers)


# ---- reading ----

_NOT_APPLICABLE = "The encryption parameters are not applicable to this object."
_NEEDS_KEY = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to"
    " retrieve the object."
)


def unlock(encryption: Encryption, customer: CustomerKey | None, vault: Vault) -> bytes:
    """Return the data key of an encrypted version.

    Raises `S3Error`: `InvalidRequest` (a key is missing or not applicable), `AccessDenied` (a wrong one),
    `InternalError` (the master key is missing).
    """
    if encryption.mode == SSE_S3:
        if customer is not None:
            raise S3Error("InvalidRequest", _NOT_APPLICABLE)
        return _unwrap(vault, encryption)
    if customer is None:
        raise S3Error("InvalidRequest", _NEEDS_KEY)
    key = open_customer_key(customer.key, encryption.salt, encryption.check)
    if key is None:
        raise S3Error("AccessDenied", "The provided key is not the one that the object was encrypted with.")
    return key


def _unwrap(vault: Vault, encryption: Encryption) -> bytes:
    try:
        return vault.master_keys.unwrap(encryption.key_id, encryption.wrapped_key)
    except (MissingMasterKeyError, CorruptError) as problem:
        log.error("an object cannot be decrypted: %s", problem.message)  # noqa: TRY400 -- not a bug
        raise S3Error("InternalError", f"The object cannot be decrypted: {problem.message}.") from problem


def check_plain(customer: CustomerKey | None) -> None:
    """Refuse a key for what is not encrypted."""
    if customer is not None:
        raise S3Error("InvalidRequest", _NOT_APPLICABLE)


def tell(customer: CustomerKey | None) -> dict[str, str]:
    """Return what a reply says of an encrypted version: the customer's key, or that there is one of ours."""
    return {HEADER: ALGORITHM} if customer is None else customer.headers


# ---- headers with a customer's key ----


def parse_customer_key(
    headers: Mapping[str, str], vault: Vault, prefix: str = CUSTOMER
) -> CustomerKey | None:
    """Return the customer's key that a request brings, if any. Raises `S3Error`."""
    algorithm, text, md5 = (headers.get(prefix + name) for name in ("algorithm", "key", "key-md5"))
    if algorithm is None and text is None and md5 is None:
        return None
    if not vault.allows_customer_keys:
        raise S3Error(
            "InvalidRequest",
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a"
            " secure connection.",
        )
    if algorithm is None:
        raise _refuse("must provide a valid encryption algorithm.", f"{prefix}algorithm")
    check_algorithm(algorithm)
    if text is None:
        raise _refuse("must provide an appropriate secret key.", f"{prefix}key")
    if md5 is None:
        raise _refuse("must provide the client calculated MD5 of the secret key.", f"{prefix}key-MD5")
    return _check_key(text, md5, prefix)


def _check_key(text: str, md5: str, prefix: str) -> CustomerKey:
    try:
        key = base64.b64decode(text.encode("latin-1", "replace"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise S3Error(
            "InvalidArgument",
            "The secret key was invalid for the specified algorithm.",
            extra={"ArgumentName": f"{prefix}key"},
        )
    computed = base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()
    if not hmac.compare_digest(computed.encode(), md5.encode("latin-1", "replace")):
        raise S3Error(
            "InvalidArgument",
            "The calculated MD5 hash of the key did not match the hash that was provided.",
            extra={"ArgumentName": f"{prefix}key-MD5"},
        )
    return CustomerKey(key, computed)


def _refuse(what: str, argument: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        f"Requests specifying Server Side Encryption with Customer provided keys {what}",
        extra={"ArgumentName": argument},
    )
