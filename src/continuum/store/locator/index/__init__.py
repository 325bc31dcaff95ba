"""The authoritative index: what is where, as transactions over a `database.Connection`.

One module per family. Functions that change something expect to run inside a transaction (`writing`), those
that read run on a connection of their own. Time, ids and settings come in as arguments; nothing here waits,
sends or starts anything. Every function raises the errors of `messages` and `IndexUnavailableError`.
"""
