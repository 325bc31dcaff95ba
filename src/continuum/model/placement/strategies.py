"""What placement looks at and what it strives for: strategies and objectives, as a person names them."""

from collections.abc import Mapping, Sequence

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.sites import parse_site_name

DATA, LOAD, GREEDY, GRAVITY = "data", "load", "greedy", "gravity"
STRATEGIES = (DATA, LOAD, GREEDY, GRAVITY)
FASTEST, CHEAPEST, GREENEST = "fastest", "cheapest", "greenest"
_HINT = f"{FASTEST}, {CHEAPEST}, {GREENEST}, or weights as time=0.6,cost=0.3,energy=0.1"


class Objective(msgspec.Struct, frozen=True):
    """What is to be small: the weights of time, cost and energy. Only their ratios count."""

    time: float = 1.0
    cost: float = 0.0
    energy: float = 0.0

    @property
    def is_fastest(self) -> bool:
        """Whether only time counts."""
        return not self.cost and not self.energy

    @property
    def name(self) -> str:
        """As a person says it."""
        for name, objective in _NAMED.items():
            if objective == self:
                return name
        return ",".join(f"{key}={value:g}" for key, value in msgspec.structs.asdict(self).items() if value)


_NAMED: Mapping[str, Objective] = {
    FASTEST: Objective(),
    CHEAPEST: Objective(time=0.0, cost=1.0),
    GREENEST: Objective(time=0.0, energy=1.0),
}


class Strategy(msgspec.Struct, frozen=True):
    """What placement looks at: `data` (inputs and load, the longest way through the graph first), `greedy`
    (the same in the order in which tasks become ready), `gravity` (where most of the inputs are), `load` (the
    data do not count), or one pinned site.
    """

    name: str = DATA
    objective: Objective = Objective()

    @property
    def pinned(self) -> str:
        """The site that all tasks go to, or nothing."""
        return "" if self.name in STRATEGIES else self.name

    @property
    def looks_ahead(self) -> bool:
        """Whether tasks are taken in the order of what still follows them."""
        return self.name == DATA


def parse_strategy(text: str, sites: Sequence[str], objective: str = FASTEST) -> Strategy:
    """Return the strategy that `--placement` and `--objective` name.

    Raises `InvalidInputError` if there is no such site, or what is wrong with the objective.
    """
    aim = parse_objective(objective)
    if text in STRATEGIES or parse_site_name(text) in sites:
        return Strategy(text, aim)
    known = ", ".join((*STRATEGIES, *sites))
    raise InvalidInputError(f"no placement and no site is called {text!r}", hint=f"there are: {known}")


def parse_objective(text: str) -> Objective:
    """Return the objective that `text` names. Raises `InvalidInputError`."""
    if text in _NAMED:
        return _NAMED[text]
    weights: dict[str, float] = {}
    for word in text.split(","):
        name, equals, value = word.strip().partition("=")
        if not equals or name not in Objective.__struct_fields__ or name in weights:
            raise InvalidInputError(f"no objective is called {text!r}", hint=_HINT)
        weights[name] = _weight(name, value)
    if not any(weights.values()):
        raise InvalidInputError(f"the objective {text!r} weighs nothing", hint=_HINT)
    return Objective(**{"time": 0.0, **weights})


def _weight(name: str, value: str) -> float:
    try:
        weight = float(value)
    except ValueError:
        weight = -1.0
    if not 0 <= weight < float("inf"):
        raise InvalidInputError(f"{name}={value} is no weight", hint="a number that is not negative")
    return weight
