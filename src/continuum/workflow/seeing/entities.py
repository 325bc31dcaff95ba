"""The entities of an RO-Crate: JSON-LD objects with an id and a type, each once."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Entity = dict[str, Any]


class Entities:
    """The entities of one crate, by id, in the order in which they were added."""

    def __init__(self) -> None:
        self.by_id: dict[str, Entity] = {}

    def add(self, entity_id: str, kind: str | list[str], **properties: Any) -> Entity:
        """Add an entity, without properties that are empty; a list of one is that one."""
        entity: Entity = {"@id": entity_id, "@type": kind}
        for name, value in properties.items():
            if value not in ("", [], None):
                is_single = isinstance(value, list) and len(value) == 1
                entity[name] = value[0] if is_single else value
        return self.by_id.setdefault(entity_id, entity)


def ref(entity: Entity) -> Entity:
    """Return what stands for an entity in another one."""
    return {"@id": entity["@id"]}


def refs(entities: Iterable[Entity]) -> list[Entity]:
    """Return what stands for entities in another one."""
    return [ref(entity) for entity in entities]


def instant(at: float) -> str:
    """Return an instant in ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def unique(entities: Iterable[Entity]) -> list[Entity]:
    """Return what stands for entities in another one, each once."""
    return refs({entity["@id"]: entity for entity in entities}.values())
