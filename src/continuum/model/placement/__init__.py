"""Placement: which site runs a task, with its reasons. Pure: the driver and the simulator ask the same.

`choosing` decides for one task, `strategies` says what it strives for, `histories` what functions took,
`links` what moving takes, `reaching` what it takes out of sites that nobody can connect to, `ranking` what
still follows a task, `bounds` what no placement can beat.
"""

from continuum.model.placement.choosing import (
    EQUAL_WITHIN_S,
    LINK_SHARE,
    Decision,
    SiteLoad,
    choose_site,
    moves_to,
)
from continuum.model.placement.histories import GUESSED_RUN_S, FunctionFacts, History
from continuum.model.placement.links import DEFAULT_LINK, OBJECT_S, Links, Move
from continuum.model.placement.ranking import Ranking, rank_upwards
from continuum.model.placement.reaching import pass_relays
from continuum.model.placement.shortlisting import Shortlist
from continuum.model.placement.strategies import (
    DATA,
    FASTEST,
    GRAVITY,
    GREEDY,
    LOAD,
    STRATEGIES,
    Objective,
    Strategy,
    parse_objective,
    parse_strategy,
)

__all__ = [
    "DATA",
    "DEFAULT_LINK",
    "EQUAL_WITHIN_S",
    "FASTEST",
    "GRAVITY",
    "GREEDY",
    "GUESSED_RUN_S",
    "LINK_SHARE",
    "LOAD",
    "OBJECT_S",
    "STRATEGIES",
    "Decision",
    "FunctionFacts",
    "History",
    "Links",
    "Move",
    "Objective",
    "Ranking",
    "Shortlist",
    "SiteLoad",
    "Strategy",
    "choose_site",
    "moves_to",
    "parse_objective",
    "parse_strategy",
    "pass_relays",
    "rank_upwards",
]
