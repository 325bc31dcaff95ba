"""What an `Authorization` header says besides its signature is remembered; that changes nothing of what is
taken and what is refused."""

import pytest

from continuum.store.authorizations import MAX_RECALLED_CHARACTERS, parse_authorization
from continuum.store.errors import S3Error

SCOPE = "20130524/us-east-1/s3/aws4_request"
HEADERS = {"x-amz-date": "20130524T000000Z", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
SIGNATURE = "0" * 64


def parse(header: str) -> tuple[str, str]:
    found = parse_authorization("GET", b"/", b"", {**HEADERS, "authorization": f"AWS4-HMAC-SHA256 {header}"})
    assert found is not None
    assert found.scope == SCOPE
    return found.access_key, found.signature


@pytest.mark.parametrize(
    "header",
    [
        f"Credential=A/{SCOPE}, SignedHeaders=host;x-amz-date, Signature={SIGNATURE}",
        f"Credential=A/{SCOPE},SignedHeaders=host;x-amz-date,Signature={SIGNATURE}",
        f"Signature={SIGNATURE}, Credential=A/{SCOPE}, SignedHeaders=host;x-amz-date",
        f"SignedHeaders=host;x-amz-date, Credential=A/{SCOPE}, Signature={SIGNATURE}",
    ],
)
def test_the_components_may_stand_in_any_order(header: str) -> None:
    assert parse(header) == ("A", SIGNATURE)
    assert parse(header) == ("A", SIGNATURE)


def test_the_same_claim_with_another_signature_has_that_signature() -> None:
    claim = f"Credential=B/{SCOPE}, SignedHeaders=host"
    for signature in ("1" * 64, "2" * 64):
        assert parse(f"{claim}, Signature={signature}") == ("B", signature)


def test_a_claim_too_long_to_be_remembered_is_read_each_time() -> None:
    key = "K" * MAX_RECALLED_CHARACTERS
    header = f"Credential={key}/{SCOPE}, SignedHeaders=host, Signature={SIGNATURE}"
    assert parse(header) == (key, SIGNATURE)


@pytest.mark.parametrize(
    "header",
    [
        f"Credential=A/{SCOPE}, Signature={SIGNATURE}",
        f"Credential=A/{SCOPE}, SignedHeaders=host, SignedHeaders=host, Signature={SIGNATURE}",
        f"Credential=A/{SCOPE}, SignedHeaders=host, Signature={SIGNATURE}, Signature={SIGNATURE}",
        f"Credential=A/{SCOPE}, SignedHeaders=host, Signature={SIGNATURE.upper()}x",
        f"Credential=A/{SCOPE}, SignedHeaders=HOST, Signature={SIGNATURE}",
        f"Credential=A/20130525/us-east-1/s3/aws4_request, SignedHeaders=host, Signature={SIGNATURE}",
        f"Credential=A/{SCOPE}, SignedHeaders=host, Other=1, Signature={SIGNATURE}",
        f"Signature={SIGNATURE}",
        "",
    ],
)
def test_a_mal_formed_header_is_refused_each_time(header: str) -> None:
    for _ in range(2):
        with pytest.raises(S3Error) as caught:
            parse(header)
        assert caught.value.code == "AuthorizationHeaderMalformed"
