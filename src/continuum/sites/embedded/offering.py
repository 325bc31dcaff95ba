"""What a person declares that a site has for tasks: cores, GPUs, software, machines, further properties.

`edge:gpus=2,software=casa+wsclean,storage_type=ssd`: names other than `units` (computing units), `gpus`,
`engine` (what executes tasks), `workers` (between what those of a site's own Dask follow the queue), `pods`
(the file that says where engine `kubernetes` makes them), `software`, `nodes` and `reach` (who can connect to
the site's store: `any`, or only the `site`) are properties, as constraints ask for them. What is not named
stays as it was; an empty value takes it away.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.scaling import parse_workers
from continuum.model.sites import NO_OFFERS, Reach, SiteOffers

_HINT = "SITE:units=4,gpus=2,software=casa+wsclean,nodes=host1+host2,storage_type=ssd,…"
MOST = 1024


def choose_offers(
    words: Iterable[str], before: Mapping[str, SiteOffers], sites: Sequence[str]
) -> dict[str, SiteOffers]:
    """Return what sites are declared to have. Raises `InvalidInputError`."""
    offers = {name: each for name, each in before.items() if name in sites}
    for word in words:
        site, _, text = word.partition(":")
        if site not in sites:
            raise InvalidInputError(f"there is no site {site!r}", hint=f"{_HINT}; sites: {', '.join(sites)}")
        offers[site] = _changed(offers.get(site, NO_OFFERS), text)
    return offers


def _changed(offers: SiteOffers, text: str) -> SiteOffers:
    labels = dict(offers.labels)
    changes: dict[str, object] = {}
    fields: dict[str, Callable[[str], object]] = {
        "gpus": _number,
        "units": _units,
        "engine": _engine,
        "workers": str,
        "pods": _file,
        "reach": _reach,
    }
    for part in text.split(","):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not name.isidentifier():
            raise InvalidInputError(f"{part!r} says nothing of it", hint=_HINT)
        if name in fields:
            changes["computing_units" if name == "units" else name] = fields[name](value)
        elif name in {"software", "nodes"}:
            changes[name] = tuple(filter(None, value.split("+")))
        elif value:
            labels[name] = value.replace("+", ",")
        else:
            labels.pop(name, None)
    changed = msgspec.structs.replace(offers, labels=labels, **changes)
    if (changed.engine == "kubernetes") != bool(changed.pods):
        raise InvalidInputError("engine kubernetes needs to know its cluster", hint="pods=/path/pods.json")
    parse_workers(changed.workers, changed.engine, changed.computing_units)
    return changed


def _engine(value: str) -> str:
    if value in {"", "pool", "dask", "kubernetes"} or value.startswith(("tcp://", "tls://")):
        return value
    if value == "compss":
        raise InvalidInputError(
            "the COMPSs runtime cannot be the engine of a site: it gets whole programs, where these start",
            hint="continuum run --engine compss app.py, on a machine that has runcompss",
        )
    raise InvalidInputError(
        f"there is no engine {value!r}", hint="pool, dask, kubernetes, or a Dask scheduler as tls://HOST:PORT"
    )


def _file(value: str) -> str:
    return str(Path(value).absolute()) if value else ""


def _units(value: str) -> int:
    return _number(value) or 0


def _reach(value: str) -> Reach:
    if value and value not in set(Reach):
        raise InvalidInputError(
            f"{value!r} is no reach", hint="any, or site: nobody elsewhere can connect to the site's store"
        )
    return Reach(value or Reach.ANY)


def _number(value: str) -> int | None:
    if not value:
        return None
    if not value.isdecimal() or int(value) > MOST:
        raise InvalidInputError(f"{value} is no number here", hint=_HINT)
    return int(value)
