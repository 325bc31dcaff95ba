"""Pools: the workers that a site makes for one run, what a run may ask of them, and of which kinds they are.

A site says which `WorkerProfile`s it can make; a run may say by a `PoolRequest` how many it wants, how large
they are and what is in them. What neither says is the default of the site. Data alone, for workers import
them: what people type is parsed in `requesting`, which profile a task gets is decided in `profiles`, when
workers come and go in `scaling`.
"""

from typing import Literal

import msgspec

USUAL = "worker"
GPU_RESOURCE = "nvidia.com/gpu"


class Toleration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A taint of machines that does not keep workers away; empty `value`: whatever it is."""

    key: str
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class Volume(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that workers find at `path`: a claim, the files of a ConfigMap, or an empty folder.

    Neither Secrets (those of other runs lie beside) nor folders of the machine.
    """

    kind: Literal["claim", "config", "empty"]
    path: str
    name: str = ""
    size_bytes: int = 0
    is_read_only: bool = False


class WorkerProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of worker: what it has, on which machines, and what it costs while it is there.

    `memory_bytes` is for tasks: the worker itself gets some more. `cpu_millis` 0: a whole core for each unit.
    `labels` are what tasks may ask for by name, as of sites (`offers`). `most` 0: as many as the pool may
    have. `is_spot`: it may be taken away at any time; work that nobody would miss goes there first.
    """

    name: str = USUAL
    units: int = 1
    memory_bytes: int = 1_000_000_000
    cpu_millis: int = 0
    gpus: int = 0
    gpu_resource: str = GPU_RESOURCE
    labels: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    price_eur_per_h: float = 0.0
    image: str = ""
    is_spot: bool = False
    most: int = 0


class PoolRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run asks of its workers at sites that make some; 0 and empty: what the site does by itself.

    `most` 0: how many is not asked for, and `least` says nothing then. `units`, `memory_bytes` and `image`
    replace those of the profile. `profile` names the only one that is to be used.
    """

    least: int = 0
    most: int = 0
    idle_s: float = 0.0
    units: int = 0
    memory_bytes: int = 0
    image: str = ""
    environment: dict[str, str] = {}
    volumes: tuple[Volume, ...] = ()
    profile: str = ""
