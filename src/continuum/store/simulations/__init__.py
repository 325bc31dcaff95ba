"""Traces of requests and what policies would have cost over them; the deciding is done in the model."""

from continuum.store.simulations.generating import TraceShape, generate
from continuum.store.simulations.simulating import SimulationReport, parse_named_policy, simulate
from continuum.store.simulations.traces import format_request, read_trace

__all__ = [
    "SimulationReport",
    "TraceShape",
    "format_request",
    "generate",
    "parse_named_policy",
    "read_trace",
    "simulate",
]
