"""`from pycompss.dds import DDS`: data sets in partitions, with the operations of functional programs."""

from continuum.workflow.pycompss.dds.sets import DDS

__all__ = ["DDS"]
