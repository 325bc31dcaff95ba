"""The hub's page: sites, buckets and runs as they stand now. HTML made on the server, no script, light and
dark.
"""

import datetime as dt
import html
from collections.abc import Iterable, Sequence

from continuum.hub.views import BucketView, RunView, SitesView, StatusView

MAX_ROWS = 200

_STYLE = """
:root { color-scheme: light dark; --line: #d8dee6; --soft: #66707c; --paper: #fff; --ground: #f5f7fa;
  --ink: #1c2530; --good: #1a7f4b; --bad: #b3261e; --busy: #8a5a00; --tint: #2f5fd0; }
@media (prefers-color-scheme: dark) { :root { --line: #2c3440; --soft: #98a3b0; --paper: #171c23;
  --ground: #0f1318; --ink: #e6ebf1; --good: #57c98c; --bad: #ff8a80; --busy: #f0b859; --tint: #8fb0ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; padding-bottom: .75rem; display: flex; gap: 1rem; align-items: baseline;
  flex-wrap: wrap; }
h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
.soft { color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.1rem 1.25rem; margin: 0 0 1.25rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: .8rem; color: var(--soft);
  padding: .3rem 1rem .3rem 0; }
td { border-top: 1px solid var(--line); padding: .45rem 1rem .45rem 0; white-space: nowrap; }
td, code { max-width: 22rem; overflow: hidden; text-overflow: ellipsis; } code { display: inline-block;
  vertical-align: bottom; }
@media (max-width: 40rem) { td, code { max-width: 9rem; } td { padding-right: .6rem; } }
.number { text-align: right; }
.state { font-weight: 600; } .good { color: var(--good); }
.bad { color: var(--bad); } .busy { color: var(--busy); }
code { font: .9em ui-monospace, monospace; color: var(--tint); }
"""

_STATE_CLASSES = {"succeeded": "good", "failed": "bad", "lost": "bad", "cancelled": "bad"}


def format_page(
    status: StatusView, sites: SitesView, buckets: Sequence[BucketView], runs: Sequence[RunView]
) -> str:
    """Return the page."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        "<meta http-equiv=refresh content=10>"
        f"<title>{_text(status.name)} - continuum</title><style>{_STYLE}</style>"
        f"<header><h1>{_text(status.name)}</h1><span class=soft>{status.reachable_sites} of {status.sites} "
        f"sites reachable, hub {_text(status.version)} since {_instant(status.started_at)}</span></header>"
        f"<main>{_sites(sites)}{_links(sites)}{_buckets(buckets)}{_runs(runs)}</main></html>"
    )


def _sites(view: SitesView) -> str:
    rows = (
        (
            _text(site.name),
            _state("reachable", "good")
            if site.is_reachable
            else _state(f"silent {site.silent_s:.0f} s", "bad"),
            _text(site.kind),
            _number(f"{site.free_units} / {site.computing_units}"),
            _number(site.queued_tasks),
            _number(f"{site.memory_bytes / 1e9:.1f} GB"),
            f"<code>{_text(site.gateway_url)}</code>",
        )
        for site in view.sites
    )
    heads = ("site", "state", "kind", "units free", "tasks waiting", "memory", "gateway")
    return _section("Sites", heads, rows, "No site has reported yet.", numbers=(3, 4, 5))


def _links(view: SitesView) -> str:
    rows = (
        (
            f"{_text(link.source)} → {_text(link.target)}",
            _number(f"{link.bandwidth_bytes_per_s / 1e6:,.0f} MB/s"),
            _number(f"{link.latency_s * 1e3:g} ms"),
            _number(f"{link.price_eur_per_gb:.3f} €/GB"),
        )
        for link in view.links
    )
    heads = ("link", "bandwidth", "latency", "price")
    return _section("Links", heads, rows, "There is one site only.", numbers=(1, 2, 3))


def _buckets(buckets: Sequence[BucketView]) -> str:
    rows = (
        (_text(bucket.name), _text(bucket.home), _text(bucket.owner), _instant(bucket.created_at))
        for bucket in sorted(buckets, key=lambda bucket: bucket.created_at, reverse=True)[:MAX_ROWS]
    )
    shown = f"the {MAX_ROWS} newest of {len(buckets)}" if len(buckets) > MAX_ROWS else f"{len(buckets)}"
    return _section(
        f"Buckets ({shown})", ("bucket", "home", "owner", "created"), rows, "There are no buckets."
    )


def _runs(runs: Sequence[RunView]) -> str:
    rows = (
        (
            f"<code>{_text(run.run_id)}</code>",
            _state(run.state, _STATE_CLASSES.get(run.state, "busy")),
            _text(run.name),
            _instant(run.started_at),
            _number(f"{run.ended_at - run.started_at:.1f} s" if run.ended_at else ""),
            _number(run.tasks),
            _number(f"{run.moved_bytes / 1e6:,.1f} MB"),
        )
        for run in runs[:MAX_ROWS]
    )
    return _section(
        "Runs",
        ("run", "state", "name", "started", "took", "tasks", "moved"),
        rows,
        "Nothing has run yet.",
        numbers=(4, 5, 6),
    )


def _section(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    if_empty: str,
    numbers: Sequence[int] = (),
) -> str:
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    if not body:
        return f"<section><h2>{title}</h2><p class=soft>{if_empty}</p></section>"
    head = "".join(
        f"<th class=number>{text}</th>" if index in numbers else f"<th>{text}</th>"
        for index, text in enumerate(heads)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<section><h2>{title}</h2>{table}</section>"


def _cell(content: str) -> str:
    return content if content.startswith("<td") else f"<td>{content}</td>"


def _number(value: object) -> str:
    return f"<td class=number>{_text(value)}</td>"


def _state(text: str, kind: str) -> str:
    return f'<span class="state {kind}">{_text(text)}</span>'


def _instant(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC" if seconds else ""


def _text(value: object) -> str:
    return html.escape(str(value))
