"""The Secrets of a site: one for each of its pods, with what that pod needs and nothing more. Pure."""

import base64

import msgspec

from continuum.sites.documents import format_document
from continuum.sites.homes import Credentials
from continuum.sites.joining.invitations import IdentityPems
from continuum.sites.kubernetes.objects import label, make_object
from continuum.sites.kubernetes.settings import Manifest, SiteSecrets, SiteSettings

REDACTED = "REDACTED"


def plan_secrets(settings: SiteSettings, secrets: SiteSecrets) -> tuple[Manifest, ...]:
    """Return the Secrets. What is returned must not be printed: `redact` it first."""
    keys = secrets.store_keys
    if settings.external_store is None:
        keys = msgspec.structs.replace(keys, ca_pem=secrets.ca)
    store_keys = {"store-keys.json": format_document(keys).decode()}
    credentials = Credentials(access_key=secrets.access_key, secret_key=secrets.secret_key)
    agent = _identity(secrets.ca, secrets.agent) | {"credentials.json": format_document(credentials).decode()}
    gateway = _identity(secrets.ca, secrets.gateway) | store_keys
    if settings.has_master_keys and secrets.master_keys:
        gateway["master.keys"] = secrets.master_keys
    parts = [_secret(settings, "agent", agent), _secret(settings, "gateway", gateway)]
    if settings.external_store is None and secrets.store is not None:
        parts.append(_secret(settings, "store", _identity(secrets.ca, secrets.store) | store_keys))
    return tuple(parts)


def redact(manifest: Manifest) -> Manifest:
    """Return an object without what is secret in it: to be shown."""
    if manifest["kind"] != "Secret":
        return manifest
    hidden: Manifest = {
        field: dict.fromkeys(manifest[field], REDACTED)
        for field in ("data", "stringData")
        if field in manifest
    }
    return {**manifest, **hidden}


def _identity(ca: str, pems: IdentityPems) -> dict[str, str]:
    return {
        "ca.pem": ca,
        "certificate.pem": pems.certificate,
        "key.pem": pems.key,
        "signing-certificate.pem": pems.signing_certificate,
        "signing-key.pem": pems.signing_key,
    }


def _secret(settings: SiteSettings, name: str, files: dict[str, str]) -> Manifest:
    data = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    return make_object(
        "v1", "Secret", name, settings.home, label(settings.name, name), type="Opaque", data=data
    )
