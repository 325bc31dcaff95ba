"""The Gantt chart and the page of a run."""

import json
import re
import xml.etree.ElementTree as ET

import journaled
import msgspec
import pytest

from continuum.model import stories
from continuum.model.timelines import Timeline
from continuum.workflow.seeing import gantts, pages
from continuum.workflow.seeing.gantts import draw_gantt, ticks_of
from continuum.workflow.seeing.pages import draw_page

SVG = "{http://www.w3.org/2000/svg}"


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}title")]


def test_the_chart_has_a_bar_for_every_try_with_what_became_of_it():
    told = titles(draw_gantt(Timeline(journaled.records()), "fit"))
    assert sum(each.startswith("task ") for each in told) == 5
    assert "task 2: load('<b>'); failed: ValueError: <no> (2.0 s); as good at cloud" in told
    assert any(each.startswith("task 2, try 2: load('<b>'); finished (1.0 s)") for each in told)
    assert any("2 MB came from elsewhere" in each for each in told)
    assert "moving inputs at edge: at most 1" in told


def test_the_chart_marks_the_critical_path():
    root = ET.fromstring(draw_gantt(Timeline(journaled.records()), "fit"))
    outlined = {
        group.find(f"{SVG}title").text.split(":")[0]
        for group in root.iter(f"{SVG}g")
        if group.find(f"{SVG}title") is not None
        and any(bar.get("stroke") == "#111" for bar in group.iter(f"{SVG}rect"))
    }
    assert outlined >= {"task 4", "task 3", "task 2, try 2"}
    assert "task 1" not in outlined


def test_a_chart_of_very_many_tasks_stays_small():
    records = [stories.SiteJoined(at=0, site="edge", computing_units=1)]
    for task in range(1, 20_001):
        at = task / 1000
        records += [
            stories.Submitted(at=0, task=task, function="f"),
            stories.Placed(at=0, task=task, attempt=1, site="edge", reason=""),
            stories.Finished(at=at, task=task, attempt=1, site="edge", run_s=0.0009, worker="worker-1"),
        ]
    drawn = draw_gantt(Timeline(records), "many")
    assert len(drawn) < 200_000  # the journal has 3 MB
    counted = sum(int(count) for count in re.findall(r"<title>(\d+) x f</title>", drawn))
    assert counted + drawn.count("<title>task ") == 20_000


def test_a_run_without_tasks_has_a_chart_and_a_page():
    ET.fromstring(draw_gantt(Timeline([]), "nothing"))
    assert data_of(draw_page(journaled.SUMMARY, []))["tasks"]["id"] == []


@pytest.mark.parametrize("took_s", [0.0, 0.003, 1.7, 59, 4000, 1e6])
def test_marks_of_time_are_few_and_round(took_s):
    ticks = ticks_of(took_s)
    assert 1 <= len(ticks) <= 10
    assert all(float(f"{tick:.3g}") == pytest.approx(tick) for tick in ticks)


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def test_the_page_holds_the_whole_run_and_needs_nothing_else():
    page = draw_page(journaled.SUMMARY, journaled.records())
    assert "{{" not in page.replace("${{", "")
    assert not re.search(r"""(src|href)\s*=|https?://(?!www\.w3\.org)|@import|url\(""", page)
    data = data_of(page)
    assert data["tasks"]["id"] == [1, 2, 3, 4]
    assert data["tasks"]["sources"] == [[], [], [0, 1], [2]]
    assert data["tries"]["outcome"].count("failed") == 1
    assert data["path"] == [1, 2, 3]
    assert [site["name"] for site in data["sites"]] == ["edge", "cloud"]
    assert data["failures"][0]["message"] == "ValueError: <no>"
    assert [(share["function"], share["site"], share["tasks"]) for share in data["shares"]] == [
        ("load", "edge", 1),
        ("load", "cloud", 1),
        ("join", "edge", 1),
        ("show", "edge", 1),
    ]
    assert data["moves"] == [{"datum": "d2v1", "task": 2, "site": "cloud", "bytes": 2_000_000, "at_s": 5.5}]


def test_nothing_of_a_run_can_break_out_of_its_page():
    summary = msgspec.structs.replace(journaled.SUMMARY, run_id="</title><script>alert(1)</script>")
    page = draw_page(summary, journaled.records())
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    assert "</script>" in data_of(page)["run"]["subtitle"]


def test_of_too_many_tasks_the_page_has_those_that_matter_and_says_so(monkeypatch):
    monkeypatch.setattr(pages, "MOST_TASKS", 3)
    data = data_of(draw_page(journaled.SUMMARY, journaled.records()))
    assert len(data["tasks"]["id"]) == 3
    assert "3 of 4 tasks" in data["cut"]
    assert [function["count"] for function in data["functions"]] == [2, 1, 1]


def test_a_run_that_goes_on_is_drawn_until_now_with_what_is_queued():
    summary = msgspec.structs.replace(journaled.SUMMARY, state="running", ended_at=0.0)
    records = [*journaled.records()[:7], stories.Started(at=1002.0, task=1, attempt=1)]
    data = data_of(draw_page(summary, records, now=1020.0))
    assert data["end"] == 20 * pages.TICKS_PER_S
    assert data["tries"]["outcome"] == ["running", "queued"]
    assert data["tries"]["lane"] == [0, -1]  # what is queued has no row of its own


def test_a_chart_of_many_workers_and_tasks_draws_wider_pieces_together(monkeypatch):
    monkeypatch.setattr(gantts, "MOST_BARS", 100)
    records = [stories.SiteJoined(at=0, site="edge", computing_units=8)]
    for task in range(1, 2001):
        records += [
            stories.Submitted(at=0, task=task, function="f"),
            stories.Placed(at=0, task=task, attempt=1, site="edge", reason=""),
            stories.Finished(
                at=task // 8 + 0.9, task=task, attempt=1, site="edge", run_s=0.9, worker=f"worker-{task % 8}"
            ),
        ]
    assert draw_gantt(Timeline(records), "many").count("<rect") < 300
