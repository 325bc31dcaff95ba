"""The pure middle of the platform: what exists and how decisions about it are made.

Belongs here: frozen data (sites, links, buckets, versions, replicas, tasks, graphs) and pure functions over
it (placement, policies, costs, the state of a graph). Never here: input or output, clocks, randomness,
logging, threads, settings. Time and chance come in as arguments. Nothing here imports another part of the
project.
"""
