"""The programming interface, module by module as in PyCOMPSs."""
