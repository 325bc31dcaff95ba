"""continuum: one place to keep data and one place to compute, over many sites."""

__version__ = "0.1.0"
