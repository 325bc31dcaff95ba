"""The backbone's server: nats-server's configuration.

Who connects is known by certificate (`verify_and_map`: the user is the subject of the certificate) and may do
what its role needs and nothing more: an agent hears of its own site only, a gateway cannot speak to agents,
replies can be read by the asker alone because each has an inbox of its own, and an answerer may publish an
answer where it was asked (`allow_responses`) and nowhere else.

Certificates for signing cannot connect: they are not for client authentication.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from continuum.backbone import inbox_prefix
from continuum.security import IdentityFiles

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
# The six suites of `continuum.security.tls` by the names that Go gives them.
SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
)
GROUPS = ("X25519", "CurveP256", "CurveP384")
_USER_ADMINISTRATION = (
    *("locator.create_user", "locator.list_users", "locator.delete_user"),
    *("locator.add_key", "locator.list_keys", "locator.remove_key"),
)
_STORE_ADMINISTRATION = (
    "locator.list_encrypted",
    "locator.replace_encryptions",
    "locator.add_store",
    "locator.remove_store",
    "locator.describe_stores",
    "locator.list_sole_copies",
    "locator.forget_site",
    "locator.attach_bucket",
    "locator.detach_bucket",
    "locator.start_job",
    "locator.cancel_job",
    "locator.get_job",
)
_POLICY_ADMINISTRATION = tuple(
    f"locator.{verb}"
    for verb in ("set_policy", "get_policy", "place_objects", "bring_objects", "get_lag", "describe_object")
)

_BUCKET_ADMINISTRATION = (
    "locator.run_lifecycle",
    "locator.add_target",
    "locator.remove_target",
    "locator.probe_targets",
)

_ADMINISTRATION = (
    *_USER_ADMINISTRATION,
    *_STORE_ADMINISTRATION,
    *_BUCKET_ADMINISTRATION,
    *_POLICY_ADMINISTRATION,
)


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """Subjects that an identity may publish and listen to, besides answering and its own inbox."""

    publish: tuple[str, ...] = ()
    publish_never: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


def permissions_of(identity: str) -> Permissions:
    """Return what `identity` may say and hear on the backbone: least privilege by its role."""
    role, _, site = identity.partition(".")
    match role:
        case "hub":
            return Permissions(
                publish=("gateway.*.invalidate", "hub.*.forget", "locator.list_buckets", "notifications.>"),
                subscribe=("hub.*.forget", "locator.>", "registry.*", "runs.>"),
            )
        case "gateway":
            return Permissions(
                publish=(
                    *("locator.*", "locator.*.*"),  # of any hub, and of the one that has the session
                    *(
                        "gateway.*.export",
                        "gateway.*.export.*",
                        "gateway.*.bring",
                        "gateway.*.bring.*",
                        "gateway.*.join",
                    ),
                ),
                publish_never=(
                    *_ADMINISTRATION,
                    *(subject.replace(".", ".*.") for subject in _ADMINISTRATION),
                ),
                subscribe=(
                    "gateway.*.invalidate",
                    *(
                        f"gateway.{site}.{verb}"
                        for verb in ("export", "export.*", "bring", "bring.*", "join")
                    ),
                ),
            )
        case "agent":
            return Permissions(
                publish=("registry.announce", "run.*.events", "locator.locate"),
                subscribe=(f"site.{site}.>",),
            )
        case "driver":
            return Permissions(
                publish=("site.*.>", "registry.list", "locator.locate", "runs.>", "run.*.cancel"),
                subscribe=("run.*.events", "run.*.cancel"),
            )
        case "admin":
            return Permissions(
                publish=(
                    "registry.list",
                    "registry.forget",
                    "runs.>",
                    "locator.get_bucket",
                    "locator.list_buckets",
                    "locator.count_objects",
                    "locator.list_targets",
                    *_BUCKET_ADMINISTRATION,
                    *_USER_ADMINISTRATION,
                    *_STORE_ADMINISTRATION,
                    "locator.describe_attachments",
                    "locator.get_journals",
                    *_POLICY_ADMINISTRATION,
                ),
                subscribe=("notifications.>",),
            )
        case _:
            return Permissions(publish_never=(">",))  # nothing allowed would mean everything to nats-server


def list_identities(sites: Iterable[str], drivers: Iterable[str] = ()) -> tuple[str, ...]:
    """Return who may connect to a continuum with these sites, and these drivers besides the owner's."""
    per_site = (f"{role}.{site}" for site in sites for role in ("gateway", "agent"))
    return ("hub", "driver", "admin", *per_site, *drivers)


def format_backbone_configuration(
    *, port: int, server: IdentityFiles, identities: Iterable[str], host: str = "127.0.0.1", pid_file: Path
) -> str:
    """Return the text of nats-server's configuration file, which is JSON too."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "listen": f"{host}:{port}",
                "server_name": "continuum-backbone",
                "max_payload": MAX_PAYLOAD_BYTES,
                "pid_file": str(pid_file),
                "tls": {
                    "cert_file": str(server.certificate_file),
                    "key_file": str(server.key_file),
                    "ca_file": str(server.ca_file),
                    "verify_and_map": True,
                    "min_version": "1.2",
                    "cipher_suites": SUITES,
                    "curve_preferences": GROUPS,
                    "timeout": 5,
                },
                "authorization": {"users": [_user(identity) for identity in identities]},
            }
        )
    ).decode()


def _user(identity: str) -> dict[str, object]:
    permissions = permissions_of(identity)
    inbox = f"{inbox_prefix(identity)}.>"
    return {
        "user": f"CN={identity}",
        "permissions": {
            "publish": {"allow": permissions.publish, "deny": permissions.publish_never},
            "subscribe": {"allow": (*permissions.subscribe, inbox)},
            "allow_responses": {"max": 1, "expires": "5m"},
        },
    }
