"""Workflows: sequential programs whose decorated calls become a graph of tasks that run where they fit best.

Belongs here: the programming model, the driver of a run, the engines that execute tasks inside a site. Never here: where objects lie and
how they are copied (the store), what a site is (sites).
"""
