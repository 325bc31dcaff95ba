"""Container images without Docker: what is in them, how they are built, how they are checked.

Belongs here: Debian packages and wheels in, one OCI archive out, the same bytes each time. Never here: what
runs in a cluster, and how images get there.
"""
