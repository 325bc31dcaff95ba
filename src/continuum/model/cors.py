"""Cross-origin requests: which scripts of other origins may talk to a bucket. Pure.

The first rule that fits origin, method and all requested headers decides. Source: Amazon S3 User Guide,
"Using cross-origin resource sharing (CORS)"; the Fetch standard for what browsers do with it.
"""

from collections.abc import Iterable, Sequence

import msgspec

from continuum.model.errors import InvalidInputError

MAX_RULES = 100
METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
PREFLIGHT_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


class CorsRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as S3 has it. An origin or header may hold one `*`. `max_age_s` None: the browser decides."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age_s: int | None = None
    name: str = ""


def check_rules(rules: Sequence[CorsRule]) -> None:
    """Raise `InvalidInputError` for rules that S3 does not take."""
    if not 1 <= len(rules) <= MAX_RULES:
        raise InvalidInputError(f"a configuration has 1 to {MAX_RULES} rules")
    for rule in rules:
        for method in rule.methods:
            if method not in METHODS:
                raise InvalidInputError(
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method[:20]}"
                )
        for kind, texts in (("AllowedOrigin", rule.origins), ("AllowedHeader", rule.headers)):
            for text in texts:
                if text.count("*") > 1:
                    raise InvalidInputError(f'{kind} "{text[:100]}" can not have more than one wildcard.')
        for text in (*rule.exposed, *rule.origins, *rule.headers):
            if not text.isprintable() or not text.isascii():
                raise InvalidInputError("origins and headers are printable ASCII")


def find_rule(
    rules: Iterable[CorsRule], origin: str, method: str, requested: Sequence[str] = ()
) -> CorsRule | None:
    """Return the first rule that allows a request."""
    return next((rule for rule in rules if _fits(rule, origin, method, requested)), None)


def _fits(rule: CorsRule, origin: str, method: str, requested: Sequence[str]) -> bool:
    return (
        method in rule.methods
        and any(_matches(pattern, origin) for pattern in rule.origins)
        and all(
            any(_matches(pattern.lower(), header.lower()) for pattern in rule.headers) for header in requested
        )
    )


def _matches(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern`, in which `*` alone is special."""
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)


def format_cors_headers(rule: CorsRule, origin: str) -> dict[str, str]:
    """Return what every reply to an allowed request carries."""
    is_open = "*" in rule.origins
    headers = {
        "Access-Control-Allow-Origin": "*" if is_open else origin,
        "Access-Control-Allow-Methods": ", ".join(rule.methods),
        "Vary": PREFLIGHT_VARY,
    }
    if not is_open:
        headers["Access-Control-Allow-Credentials"] = "true"
    if rule.exposed:
        headers["Access-Control-Expose-Headers"] = ", ".join(rule.exposed)
    if rule.max_age_s is not None:
        headers["Access-Control-Max-Age"] = str(rule.max_age_s)
    return headers
