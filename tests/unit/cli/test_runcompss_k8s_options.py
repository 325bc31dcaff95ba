"""What command lines of `runcompss-k8s` mean."""

import pytest

from continuum.cli.runcompss_k8s.constraints import Largest, find_largest
from continuum.cli.runcompss_k8s.options import OPTIONS, SPARK_PROPERTIES, find_option, parse_command, table
from continuum.model.errors import InvalidInputError


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("app.py", []),
        ("--worker-pods=2 app.py", ["--workers", "2-2"]),
        ("--w 2 --c-elasticity=3 app.py", ["--workers", "2-5"]),
        ("--worker_containers 2 app.py", ["--workers", "2-2"]),
        ("--num-executors 4 --executor-cores 2 --executor-memory 4g app.py",
         ["--workers", "4-4", "--worker-units", "2", "--worker-memory", "4000000000"]),
        ("--workers=0-4:60 app.py", ["--workers", "0-4:60"]),
        ("--min-workers=1 --max-workers=3 app.py", ["--workers", "1-3"]),
        ("--max-workers=3 app.py", ["--workers", "1-3"]),
        ("--min-workers=2 app.py", ["--workers", "2-2"]),
        ("--c-cpu-units=2 --c-memory=4 app.py", ["--worker-units", "2", "--worker-memory", "4000000000"]),
        ("--c-cpu-units 2,2 app.py", ["--worker-units", "2"]),
        ("--i=localhost/a:1 --profile big --site lab app.py",
         ["--site", "lab", "--image", "localhost/a:1", "--profile", "big"]),
        ("--volume claim:data:/data --env A=B=C --name n app.py",
         ["--name", "n", "--volume", "claim:data:/data", "--env", "A=B=C"]),
        ("--graph=false --checkpoint=NoCheckpoint app.py", ["--no-graph", "--checkpoint", "off"]),
        ("--conf spark.executor.instances=3 --conf spark.executor.memory=1g app.py",
         ["--workers", "3-3", "--worker-memory", "1000000000"]),
    ],
)  # fmt: skip
def test_options_become_those_of_continuum_run(line, words):
    assert parse_command(line.split()).words_of_run() == words


@pytest.mark.parametrize(
    ("line", "in_cluster"),
    [
        ("app.py", True),
        ("--deploy-mode client app.py", False),
        ("--deploy-mode=cluster app.py", True),
        ("--master_in_cluster=false app.py", False),
        ("--master-in-cluster app.py", True),
        ("--conf spark.submit.deployMode=client app.py", False),
    ],
)
def test_the_program_runs_in_the_cluster_unless_it_is_to_run_here(line, in_cluster):
    assert parse_command(line.split()).in_cluster is in_cluster


@pytest.mark.parametrize(
    ("line", "app", "arguments"),
    [
        ("app.py 1 --workers=3", "app.py", ["1", "--workers=3"]),
        ("--workers 2 -- app.py 1", "app.py", ["1"]),
        ("app.py -- --detach 2", "app.py", ["--detach", "2"]),
        ("--dry-run --json app.py", "app.py", []),
    ],
)
def test_what_follows_the_program_is_its_own(line, app, arguments):
    launch = parse_command(line.split())
    assert (launch.app, launch.arguments) == (app, arguments)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "no program is named"),
        ("--workers=many app.py", "--workers=many is no number of workers"),
        ("--workers=4-1 app.py", "the second number is smaller than the first"),
        ("--w=5000 app.py", "--w: 5000 workers are too many"),
        ("--min-workers=4 --max-workers=2 app.py", "at least 4 workers and at most 2 cannot be"),
        ("--c-cpu-units=2,4 app.py", "workers of different sizes are not made this way"),
        ("--c-cpu-units=0 app.py", "must be a whole number, at least 1"),
        ("--c-memory=much app.py", "'much' is no size"),
        ("--c-memory=0.001 app.py", "is no memory of a worker"),
        ("--worker-order=a app.py", "--worker-order is not supported"),
        ("--local app.py", "--local is not supported"),
        ("--engine=dask app.py", "--engine is not supported"),
        ("--master=yarn app.py", "is not a Kubernetes cluster"),
        ("--deploy-mode=other app.py", "--deploy-mode=other is not known"),
        ("--master-in-cluster=perhaps app.py", "is neither true nor false"),
        ("--env A app.py", "--env A says nothing"),
        ("--volume host:/srv:/data app.py", "folders of machines are not mounted"),
        ("--volume claim:x app.py", "is no volume"),
        ("--conf spark.executor.instance=3 app.py", "means nothing here"),
        ("--wokers=2 app.py", "has no option --wokers"),
        ("--workers", "--workers needs a value"),
        ("--attach=r app.py", "--attach r takes no program"),
        ("--detach --deploy-mode=client app.py", "would end it"),
        ("--context-dir=/app --deploy-mode=client app.py", "the program runs here"),
        ("--context-dir=app app.py", "is no folder of an image"),
        ("--project=p.xml app.py", "--project is not supported"),
    ],
)
def test_what_is_wrong_is_told(line, says):
    with pytest.raises(InvalidInputError) as refused:
        parse_command(line.split())
    assert says in str(refused.value)


def test_what_changes_nothing_is_told_with_its_reason():
    line = "--c-creation-time=60 --profiling-mode=true --master k8s://https://x --streaming=OBJECTS app.py"
    notes = parse_command(line.split()).notes
    assert [note.partition(" changes")[0] for note in notes] == [
        "--c-creation-time",
        "--profiling-mode",
        "--master",
        "--streaming",
    ]
    assert parse_command(["--profiling-mode=false", "app.py"]).notes == []


def test_the_table_has_every_option_and_every_property_leads_to_one():
    names = [name for option in OPTIONS for name in option.names]
    assert len(names) == len(set(names))
    assert all(f"`{name}" in table() for name in names)
    assert all(find_option(name) is not None for name in SPARK_PROPERTIES.values())


@pytest.mark.parametrize(
    ("source", "largest"),
    [
        ("", Largest()),
        ("def (", Largest()),
        ('@constraint(computing_units="2")\n@task()\ndef f(): ...', Largest(units=2)),
        ("@constraint(computingUnits=4, memory_size=1.5)\ndef f(): 1\n@constraint(units=1)\ndef g():1",
         Largest(units=4, memory_bytes=1_500_000_000)),
        ('@constraint(computing_units="$UNITS")\ndef f(): ...', Largest()),
        ("@other(computing_units=3)\ndef f(): ...", Largest()),
    ],
)  # fmt: skip
def test_workers_are_as_large_as_constraints_ask_for(source, largest):
    assert find_largest(source) == largest
