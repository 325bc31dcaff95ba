"""What the nemesis will do and when: a schedule that its seed determines. Pure.

First comes every kind of fault once, in an order of chance; then kinds by chance, and two at once in a third
of the cases. Between faults is quiet, so that recovery can be seen and measured.
"""

import random

import msgspec

KILL, PAUSE, CUT = "kill", "pause", "cut"
DOUBLES = 0.34
LONG_PAUSES = 0.06
FIRST_QUIET_S = 2.0


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to harm: processes by name, and pairs of places that a link joins (`edge-cloud`).

    `fault_s`, `quiet_s`: how long a fault and the quiet after it last, at least and at most.
    """

    processes: tuple[str, ...]
    links: tuple[str, ...] = ()
    fault_s: tuple[float, float] = (2.0, 9.0)
    quiet_s: tuple[float, float] = (5.0, 9.0)
    long_pause_s: float = 22.0


class Harm(msgspec.Struct, frozen=True, kw_only=True):
    """One fault to be: `victims` are processes or links. `lasts_s` is how long it is held (0 for a kill)."""

    kind: str
    victims: tuple[str, ...]
    lasts_s: float


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """Faults that begin together at `at_s` from the start of the run."""

    at_s: float
    harms: tuple[Harm, ...]


def make_schedule(choices: Choices, *, seconds: float, seed: int) -> list[Round]:
    """Return the rounds of a run; the last one heals before its end."""
    chance = random.Random(seed)
    kinds = list_kinds(choices)
    first = chance.sample(kinds, len(kinds))
    rounds: list[Round] = []
    at_s = FIRST_QUIET_S
    while True:
        drawn = [first.pop()] if first else [chance.choice(kinds)]
        if chance.random() < (DOUBLES if not first else DOUBLES / 3):
            drawn.append(chance.choice([kind for kind in kinds if not set(kind[1]) & set(drawn[0][1])]))
        harms = tuple(_draw_harm(kind, victims, choices, chance) for kind, victims in drawn)
        longest_s = max(harm.lasts_s for harm in harms)
        quiet_s = chance.uniform(*choices.quiet_s)
        if at_s + longest_s + choices.quiet_s[1] > seconds:
            return rounds
        rounds.append(Round(at_s=at_s, harms=harms))
        at_s += longest_s + quiet_s


def list_kinds(choices: Choices) -> list[tuple[str, tuple[str, ...]]]:
    """Return every kind of fault: kind and victims."""
    alone = [(kind, (name,)) for name in choices.processes for kind in (KILL, PAUSE)]
    cuts = [(CUT, (link,)) for link in choices.links]
    ends = sorted({end for link in choices.links for end in link.split("-")})
    isolations = [(CUT, tuple(link for link in choices.links if end in link.split("-"))) for end in ends]
    return [*alone, *cuts, *(each for each in isolations if len(each[1]) > 1)]


def _draw_harm(kind: str, victims: tuple[str, ...], choices: Choices, chance: random.Random) -> Harm:
    if kind == KILL:
        return Harm(kind=kind, victims=victims, lasts_s=0.0)
    if kind == PAUSE and choices.long_pause_s and chance.random() < LONG_PAUSES:
        return Harm(kind=kind, victims=victims, lasts_s=choices.long_pause_s)
    return Harm(kind=kind, victims=victims, lasts_s=chance.uniform(*choices.fault_s))
