"""Small functions that PyCOMPSs programs use around their tasks."""
