"""Kinds of tasks: decorators above `@task` that say how a task runs when it is not a plain call in a worker.

A decorator (`binary`, `mpi`, `container`, `http`, `prolog` …) adds its part to the task's `Kind`, a small
frozen description. What travels to a worker is then a `Body`: the function with its kind, called like the
function itself, so that everything around it (arguments, files, outputs, failures) stays the same. Without a
run the same body is called here and now.

Belongs here: what a program's command line is, how it is run and ended, requests, containers, ranks. Never
here: when and where a task runs.
"""
