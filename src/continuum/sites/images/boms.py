"""The software bill of materials of an image: CycloneDX 1.5, a component for each Debian and Python package.

Made from what lies in the layers (`status.d`, `*.dist-info/METADATA`), not from the locks, so that it tells
what is there. It has neither a serial number nor a time: the same image has the same bill.
"""

import hashlib
from collections.abc import Iterable, Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from continuum.sites.images.wheels import PACKAGES


def describe_layers(name: str, version: str, folders: Iterable[Path]) -> bytes:
    """Return the bill of the layers that lie in `folders`, as JSON."""
    components = sorted(
        (part for folder in folders for part in (*_list_debian(folder), *_list_python(folder))),
        key=lambda part: str(part["bom-ref"]),
    )
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": version}},
        "components": components,
    }
    return msgspec.json.format(msgspec.json.encode(bill))


def _list_debian(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "var/lib/dpkg/status.d").glob("*")):
        fields = HeaderParser().parsestr(path.read_text())
        name, version = fields["Package"], fields["Version"]
        source = (fields["Source"] or name).partition(" ")[0]
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}&distro=debian-12"
        yield _component(purl, name, version, properties={"source": source})


def _list_python(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / PACKAGES).glob("*.dist-info/METADATA")):
        text = path.read_text(errors="replace")
        fields = HeaderParser().parsestr(text)
        name, version = fields["Name"].lower().replace("_", "-"), fields["Version"]
        digest = hashlib.sha256(text.encode()).hexdigest()
        yield _component(
            f"pkg:pypi/{quote(name)}@{quote(version)}",
            name,
            version,
            licence=fields["License-Expression"] or "",
            properties={"metadata-sha256": digest},
        )


def _component(
    purl: str, name: str, version: str, *, licence: str = "", properties: dict[str, str]
) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "properties": [{"name": f"continuum:{key}", "value": value} for key, value in properties.items()],
    }
    return component | ({"licenses": [{"expression": licence}]} if licence else {})
