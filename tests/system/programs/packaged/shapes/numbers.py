"""A constant that a task's module imports."""

PI = 3.0
