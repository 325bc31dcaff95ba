"""Traces of requests and what policies would have cost over them; the deciding is done in the model."""

from continuum.store.simulations.traces import COLUMNS as TRACE_COLUMNS

__all__ = ["TRACE_COLUMNS"]
