"""Runs in virtual time: the driver's own graph, placement and dispatching over virtual sites.

`workloads` says what there is to do, `families` makes workloads of well-known shapes, `continua` makes sites
and links, `machines` are the sites as executors, `running` drives them, `replaying` makes a workload of a
run's journal.
"""
