"""Manifests as text: YAML that keeps lines of text as lines, for people and `kubectl apply -f`. Pure."""

from collections.abc import Sequence
from typing import Any

import yaml

from continuum.sites.kubernetes.settings import Manifest


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml has no types
    """Writes texts of several lines as they are, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 -- the parent's form
        """Write what occurs twice twice."""
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def format_manifests(manifests: Sequence[Manifest]) -> str:
    """Return the YAML of objects, one document each."""
    return "---\n".join(format_manifest(manifest) for manifest in manifests)


def format_manifest(manifest: Manifest) -> str:
    """Return the YAML of one object, in the order that it has."""
    text: str = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=110)
    return text


def parse_manifests(text: str) -> tuple[Manifest, ...]:
    """Return the objects of a YAML text. Raises `yaml.YAMLError`: only for texts of our own and of tools."""
    return tuple(each for each in yaml.safe_load_all(text) if each)
