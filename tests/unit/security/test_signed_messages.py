"""Signed messages: what a verifier accepts, and each thing that it refuses, for the right reason."""

import base64
import time
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from continuum.model.errors import NotFoundError
from continuum.security import (
    IdentityFiles,
    ReplayedMessageError,
    SignatureError,
    Verifier,
    create_identity,
    identity_files,
    pre_authentication_encoding,
    sign,
    signing,
)

KIND = "application/vnd.continuum.task"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def driver(home: Path) -> IdentityFiles:
    return create_identity(home, "driver", "driver")


@pytest.fixture
def verifier(driver: IdentityFiles) -> Verifier:
    return Verifier(driver.ca_file, audience="site.edge")


def test_the_encoding_is_the_one_of_the_dsse_specification() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_signature_scheme_verifies_the_vector_of_the_dsse_specification() -> None:
    """The example of protocol.md: a P-256 key and a signature given as r and s."""
    numbers = ec.EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        ec.SECP256R1(),
    )
    raw = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    signature = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    signed = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    numbers.public_key().verify(signature, signed, ec.ECDSA(SHA256()))


def test_a_signed_message_comes_back_with_its_signer(driver: IdentityFiles, verifier: Verifier) -> None:
    verified = verifier.verify(sign(driver, KIND, b"work", audience="site.edge"), KIND, role="driver")
    assert (verified.payload, verified.signer, verified.role) == (b"work", "driver", "driver")


def test_an_unsigned_message_is_refused(verifier: Verifier) -> None:
    with pytest.raises(SignatureError, match="not a signed envelope"):
        verifier.verify(msgspec.msgpack.encode({"task": 1}), KIND)


def test_a_changed_message_is_refused(driver: IdentityFiles, verifier: Verifier) -> None:
    envelope = sign(driver, KIND, b"work-work", audience="site.edge")
    with pytest.raises(SignatureError, match="does not fit"):
        verifier.verify(envelope.replace(b"work-work", b"work-harm"), KIND)


def test_a_message_of_another_type_is_refused(driver: IdentityFiles, verifier: Verifier) -> None:
    with pytest.raises(SignatureError, match="stands where"):
        verifier.verify(sign(driver, "something/else", b"work", audience="site.edge"), KIND)


def test_a_relabelled_message_is_refused(driver: IdentityFiles, verifier: Verifier) -> None:
    other = KIND.replace("task", "Task")
    envelope = sign(driver, other, b"work", audience="site.edge").replace(other.encode(), KIND.encode())
    with pytest.raises(SignatureError, match="does not fit"):
        verifier.verify(envelope, KIND)


def test_a_message_of_a_foreign_authority_is_refused(tmp_path: Path, verifier: Verifier) -> None:
    stranger = create_identity(tmp_path, "driver", "driver")
    with pytest.raises(SignatureError, match="no certificate of this continuum's authority"):
        verifier.verify(sign(stranger, KIND, b"work", audience="site.edge"), KIND)


def test_a_tls_certificate_cannot_sign(driver: IdentityFiles, verifier: Verifier) -> None:
    misused = msgspec.structs.replace(
        driver, signing_certificate_file=driver.certificate_file, signing_key_file=driver.key_file
    )
    with pytest.raises(SignatureError, match="not for signing"):
        verifier.verify(sign(misused, KIND, b"work", audience="site.edge"), KIND)


def test_a_signer_in_the_wrong_role_is_refused(home: Path, verifier: Verifier) -> None:
    gateway = create_identity(home, "gateway.edge", "gateway")
    with pytest.raises(SignatureError, match="'gateway', which may not send"):
        verifier.verify(sign(gateway, KIND, b"work", audience="site.edge"), KIND, role="driver")
    accepted = verifier.verify(
        sign(gateway, KIND, b"work", audience="site.edge"), KIND, role=("driver", "gateway")
    )
    assert accepted.signer == "gateway.edge"


def test_a_message_for_another_site_is_refused(driver: IdentityFiles, verifier: Verifier) -> None:
    with pytest.raises(SignatureError, match=r"for 'site\.cloud'"):
        verifier.verify(sign(driver, KIND, b"work", audience="site.cloud"), KIND)


def test_a_message_is_accepted_once(driver: IdentityFiles, verifier: Verifier) -> None:
    envelope = sign(driver, KIND, b"work", audience="site.edge")
    verifier.verify(envelope, KIND)
    with pytest.raises(ReplayedMessageError, match="received before"):
        verifier.verify(envelope, KIND)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.mark.parametrize("ahead_s", [-61.0, 61.0])
def test_a_message_outside_the_window_is_refused(driver: IdentityFiles, ahead_s: float) -> None:
    clock = Clock()
    clock.ahead_s = ahead_s
    with pytest.raises(ReplayedMessageError, match="s old"):
        Verifier(driver.ca_file, clock=clock).verify(sign(driver, KIND, b"work"), KIND)


def test_remembered_nonces_are_forgotten_after_the_window(driver: IdentityFiles) -> None:
    clock = Clock()
    verifier = Verifier(driver.ca_file, clock=clock, window_s=500.0)
    verifier.verify(sign(driver, KIND, b"one"), KIND)
    assert len(verifier._nonces) == 1
    clock.ahead_s = 1001.0
    with pytest.raises(ReplayedMessageError):
        verifier.verify(sign(driver, KIND, b"two"), KIND)
    clock.ahead_s = 0.0
    verifier._forget_older_than(time.time() + 1001.0)
    assert not verifier._nonces


def test_a_signer_whose_certificate_ended_is_refused(driver: IdentityFiles) -> None:
    clock = Clock()
    clock.ahead_s = 91 * 86_400
    with pytest.raises(SignatureError, match="ended on"):
        Verifier(driver.ca_file, clock=clock).verify(sign(driver, KIND, b"work"), KIND)


def test_an_oversized_certificate_is_refused(driver: IdentityFiles, verifier: Verifier) -> None:
    envelope = signing._decode_envelope(sign(driver, KIND, b"work", audience="site.edge"))
    swollen = msgspec.structs.replace(envelope, certificate=b"0" * 10_000)
    with pytest.raises(SignatureError, match="too large"):
        verifier.verify(msgspec.msgpack.encode(swollen), KIND)


def test_signing_without_an_identity_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        sign(identity_files(tmp_path, "nobody"), KIND, b"work")
    assert "continuum up" in caught.value.hint


def test_a_signing_certificate_carries_the_role_and_no_host_names(driver: IdentityFiles) -> None:
    certificate = x509.load_pem_x509_certificate(driver.signing_certificate_file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["continuum:driver:driver"]
