"""Modules of PyCOMPSs that programs import besides its programming interface."""
