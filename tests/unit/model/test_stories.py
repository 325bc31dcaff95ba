"""Stories: what a person is told of a run."""

import pytest

from continuum.model import stories
from continuum.model.stories import format_bytes, format_seconds


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (4_200_000, "4.2 MB"),
        (10**9, "1 GB"),
        (10**13, "10.0 TB"),
    ],
)
def test_sizes_are_told_in_decimal_units(size_bytes, text):
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00042, "0.4 ms"), (0.035, "35 ms"), (2.14, "2.1 s"), (200, "3 min 20 s")],
)
def test_durations_are_told_with_the_digits_that_matter(seconds, text):
    assert format_seconds(seconds) == text


def test_the_story_of_a_task_is_told_in_order_and_of_that_task_alone():
    records = [
        stories.Submitted(at=0.0, task=1, function="f", waits_for=(7,), call="f(3)"),
        stories.Submitted(at=0.0, task=2, function="g"),
        stories.Placed(at=1.0, task=1, attempt=1, site="edge", reason="as good as cloud"),
        stories.Failed(at=2.0, task=1, attempt=1, site="edge", kind="raised", message="no", decision="again"),
        stories.Placed(at=3.0, task=1, attempt=2, site="cloud", reason="the only site that can run it"),
        stories.Finished(at=4.0, task=1, attempt=2, site="cloud", run_s=0.5, moved_bytes=2_000),
    ]
    told = stories.tell(stories.story_of(1, records))
    assert told == [
        "00:00:00.000  called as f(3), waiting for task 7",
        "00:00:01.000  placed at edge: as good as cloud",
        "00:00:02.000  failed at edge (raised): no; again",
        "00:00:03.000  placed at cloud (try 2): the only site that can run it",
        "00:00:04.000  finished at cloud in 500 ms, 2 kB came from other sites",
    ]


@pytest.mark.parametrize(
    "record",
    [
        stories.Started(at=0, task=1, attempt=1),
        stories.Cancelled(at=0, task=1, reason="why"),
        stories.Repeated(at=0, task=1, datum="d1v1", reason="why"),
        stories.Moved(at=0, datum="d1v1", site="edge", bytes=5),
        stories.SiteLost(at=0, site="edge", reason="why"),
        stories.SiteJoined(at=0, site="edge", computing_units=2),
        stories.Synchronised(at=0),
        stories.HandedOver(at=0, engine="compss", command=("runcompss", "app.py")),
    ],
)
def test_every_record_is_a_sentence(record):
    assert len(stories.sentence(record)) > 5


def test_functions_are_summed_up_by_site():
    records = [stories.Submitted(at=0, task=number, function="f") for number in (1, 2)]
    for number, run_s in ((1, 1.0), (2, 3.0)):
        records.append(stories.Placed(at=0, task=number, attempt=1, site="edge", reason="near"))
        records.append(
            stories.Finished(at=0, task=number, attempt=1, site="edge", run_s=run_s, moved_bytes=5)
        )
    [row] = stories.by_function(records)
    assert (row.tasks, row.mean_s, row.moved_bytes, row.reason) == (2, 2.0, 10, "near")
