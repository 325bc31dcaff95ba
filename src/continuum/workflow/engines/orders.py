"""What a Dask engine and its stations say to each other: orders of many tasks, reports of their answers.

An *order* is one task of Dask: a batch of ours, so that Dask's cost is paid once per batch. A *station* is
what executes orders inside one worker of Dask (`stations`). A station that lacks something (it is new, or
does not see the folder of the run) executes nothing and says what it wants; the engine sends the order
again with that.

Large values are never in an order or a report: they lie in the run's folder, or travel beside it as blobs.
"""

import msgspec

from continuum.workflow.messages import (
    FunctionCode,
    RunSpec,
    TaskFailed,
    TaskFinished,
    TaskSpec,
    TaskStarted,
)

UNITS = "CU"  # resources of Dask's workers, as operators write them: --resources "CU=8 MEM=16e9"
MEMORY = "MEM"
GPUS = "GPU"
MARK_NAME = "mark"
MAX_LOG_BYTES = 1024 * 1024


class StationedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as stations are told of it.

    `places` are the folders of its data as the engine knows them; a station that finds `mark` in a file of
    that name sees the same folder. `directory` is where tasks start, if a station has it.
    """

    run: RunSpec
    places: tuple[str, ...]
    mark: str
    log_file: str
    directory: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tasks for one station. `is_last_try`: what it still lacks is not to be had, so let those tasks fail."""

    number: int
    run_id: str
    tasks: list[TaskSpec]
    functions: tuple[FunctionCode, ...] = ()
    run: StationedRun | None = None
    is_last_try: bool = False


class Wants(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """What a station lacks for an order: the run itself, functions by digest, data."""

    run: bool = False
    functions: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """What came of an order, or (`order` still at work) of a part of it.

    `returned` are tasks that were not begun, because one before them takes long. `blobs` names data that
    come beside the report, `log` is what tasks printed where the run's log cannot be written.
    """

    order: int
    station: str
    answers: list[TaskFinished | TaskFailed] = []
    started: list[TaskStarted] = []
    returned: list[int] = []
    log: bytes = b""


Reply = Report | Wants

encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
decode_run = msgspec.msgpack.Decoder(StationedRun).decode
