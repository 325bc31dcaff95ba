"""Signed messages: what makes a site execute something is signed by its sender and verified before it is
read.

The signature is ECDSA P-256 with SHA-256 over DSSE's pre-authentication encoding (PAE) of type and payload,
so a message of one type can never be taken for another. (DSSE: github.com/secure-systems-lab/dsse,
protocol.md.) The envelope is MessagePack instead of DSSE's JSON, because payloads are binary and large; it
carries the signer's certificate, so a verifier needs the authority's root only. Checking a chain is
remembered per certificate; a verification then costs one ECDSA verify (about 0.1 ms).

Signed with the payload are its audience, the instant and a nonce: a message is refused if it is meant for
somebody else, older or newer than the window, or seen before. So a message that is sent again must be signed
again. Not promised: nonces are kept in memory, so within the window a message may be replayed once to a
verifier that was restarted meanwhile; receivers make their requests idempotent.
"""

import datetime as dt
import functools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from continuum.model.errors import AccessDeniedError, NotFoundError, UnavailableError
from continuum.security.authorities import DOCUMENT_SIGNING, is_issued_by, name_of, role_of
from continuum.security.identities import IdentityFiles

WINDOW_S = 60.0
MAX_REMEMBERED_NONCES = 200_000
MAX_REMEMBERED_CERTIFICATES = 1_000
MAX_CERTIFICATE_BYTES = 8_192
_ALGORITHM = ec.ECDSA(hashes.SHA256())


class SignatureError(AccessDeniedError):
    """A message is not signed, not rightly signed, or not by whom it should be."""

    code = "SignatureRefused"


class ReplayedMessageError(SignatureError):
    """A message was seen before, or is outside the window of time in which it holds."""

    code = "MessageReplayed"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A payload and who signed it, in which role and when (seconds since the epoch)."""

    payload: bytes
    signer: str
    role: str
    issued_at: float


class _Statement(msgspec.Struct, frozen=True, array_like=True):
    audience: str
    issued_at: float
    nonce: bytes
    payload: bytes


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    payload_type: str
    statement: bytes
    signature: bytes
    certificate: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(_Envelope).decode
_decode_statement = msgspec.msgpack.Decoder(_Statement).decode


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's PAE: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class Signer:
    """Signs with the signing key of one identity."""

    def __init__(self, files: IdentityFiles) -> None:
        try:
            key = serialization.load_pem_private_key(files.signing_key_file.read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate(files.signing_certificate_file.read_bytes())
        except FileNotFoundError as problem:
            raise NotFoundError(
                f"identity {files.name} has no signing key in {files.signing_key_file.parent}",
                hint="`continuum up` makes the identities",
            ) from problem
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SignatureError(f"{files.signing_key_file} is not an elliptic-curve key")
        self._key = key
        self._certificate = certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, payload_type: str, payload: bytes, *, audience: str = "") -> bytes:
        """Return a fresh envelope around `payload`."""
        statement = _encode(_Statement(audience, time.time(), os.urandom(16), payload))
        signature = self._key.sign(pre_authentication_encoding(payload_type, statement), _ALGORITHM)
        return _encode(_Envelope(payload_type, statement, signature, self._certificate))


@functools.lru_cache(maxsize=64)
def _signer(files: IdentityFiles) -> Signer:
    return Signer(files)


def sign(identity: IdentityFiles, payload_type: str, payload: bytes, *, audience: str = "") -> bytes:
    """Return an envelope around `payload`, signed by `identity`; to send it again, sign it again.

    `audience` names who it is for (`site.edge`); the verifier must expect the same.
    """
    return _signer(identity).sign(payload_type, payload, audience=audience)


class Verifier:
    """Verifies envelopes against an authority's root. May be used from several threads."""

    def __init__(
        self,
        ca_file: Path,
        *,
        audience: str = "",
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roots = x509.load_pem_x509_certificates(ca_file.read_bytes())
        self._audience = audience
        self._window_s = window_s
        self._clock = clock
        self._signers: OrderedDict[bytes, x509.Certificate] = OrderedDict()
        self._nonces: OrderedDict[tuple[str, bytes], float] = OrderedDict()
        self._lock = threading.Lock()

    def verify(self, envelope: bytes, payload_type: str, *, role: str | tuple[str, ...] = ()) -> Verified:
        """Return what `envelope` holds if it is a fresh `payload_type`, for us, signed by somebody in `role`.

        `role` may be one role or several; empty means any. Raises `SignatureError` or its kind
        `ReplayedMessageError`, saying which rule was broken.
        """
        opened = _open(envelope, payload_type)
        certificate = self._signer_of(opened)
        _check_signature(certificate, opened)
        signer, signed_role = name_of(certificate), role_of(certificate)
        if role and signed_role not in ((role,) if isinstance(role, str) else role):
            raise SignatureError(f"{signer} signed as {signed_role!r}, which may not send {payload_type}")
        statement = _statement(opened.statement)
        if statement.audience != self._audience:
            raise SignatureError(f"the message of {signer} is for {statement.audience!r}, not us")
        self._remember(signer, statement)
        return Verified(
            payload=statement.payload, signer=signer, role=signed_role, issued_at=statement.issued_at
        )

    def _signer_of(self, envelope: _Envelope) -> x509.Certificate:
        encoded = envelope.certificate
        if len(encoded) > MAX_CERTIFICATE_BYTES:
            raise SignatureError("the signer's certificate is too large")
        with self._lock:
            certificate = self._signers.get(encoded)
        if certificate is None:
            certificate = _load_signer(encoded, self._roots)
            with self._lock:
                self._signers[encoded] = certificate
                while len(self._signers) > MAX_REMEMBERED_CERTIFICATES:
                    self._signers.popitem(last=False)
        _check_dates(certificate, dt.datetime.fromtimestamp(self._clock(), dt.UTC))
        return certificate

    def _remember(self, signer: str, statement: _Statement) -> None:
        now = self._clock()
        if abs(now - statement.issued_at) > self._window_s:
            raise ReplayedMessageError(
                f"the message of {signer} is {now - statement.issued_at:.0f} s old",
                hint="are the clocks of both machines right?",
            )
        nonce = (signer, statement.nonce)
        with self._lock:
            self._forget_older_than(now)
            if nonce in self._nonces:
                raise ReplayedMessageError(f"the message of {signer} was received before")
            if len(self._nonces) >= MAX_REMEMBERED_NONCES:
                raise UnavailableError("too many signed messages in a minute; try again in a minute")
            self._nonces[nonce] = now + 2 * self._window_s

    def _forget_older_than(self, now: float) -> None:
        while self._nonces:
            nonce, until = next(iter(self._nonces.items()))
            if until > now:
                return
            del self._nonces[nonce]


def _open(envelope: bytes, payload_type: str) -> _Envelope:
    try:
        opened = _decode_envelope(envelope)
    except (msgspec.DecodeError, msgspec.ValidationError) as problem:
        raise SignatureError("the message is not a signed envelope") from problem
    if opened.payload_type != payload_type:
        raise SignatureError(f"a signed {opened.payload_type!r} stands where {payload_type!r} is expected")
    return opened


def _statement(encoded: bytes) -> _Statement:
    try:
        return _decode_statement(encoded)
    except (msgspec.DecodeError, msgspec.ValidationError) as problem:
        raise SignatureError("the signed statement cannot be read") from problem


def _check_signature(certificate: x509.Certificate, envelope: _Envelope) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureError(f"the key of {name_of(certificate)} is not an elliptic-curve key")
    signed = pre_authentication_encoding(envelope.payload_type, envelope.statement)
    try:
        key.verify(envelope.signature, signed, _ALGORITHM)
    except InvalidSignature as problem:
        raise SignatureError(f"the signature of {name_of(certificate)} does not fit the message") from problem


def _load_signer(encoded: bytes, roots: list[x509.Certificate]) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        may_sign = _may_sign(certificate)
    except (ValueError, x509.DuplicateExtension) as problem:
        raise SignatureError("the signer's certificate cannot be read") from problem
    if not any(is_issued_by(certificate, root) for root in roots):
        raise SignatureError(f"{name_of(certificate)!r} has no certificate of this continuum's authority")
    if not may_sign:
        raise SignatureError(f"the certificate of {name_of(certificate)!r} is not for signing")
    return certificate


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return DOCUMENT_SIGNING in usages and not constraints.ca


def _check_dates(certificate: x509.Certificate, now: dt.datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise SignatureError(
            f"the certificate of {name_of(certificate)} ended on {certificate.not_valid_after_utc:%Y-%m-%d}",
            hint="`continuum down` and `continuum up` renew certificates",
        )
