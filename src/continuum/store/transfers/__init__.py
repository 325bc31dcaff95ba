"""Bytes in bulk: files to and from a body, and whole buckets or folders to somewhere else.

`files` is what programs use for one object and one file. The rest is the engine of `continuum bucket
copy|move|sync`: two ends (`buckets`, `folders`), one way of passing bytes between them with back-pressure
and checksums (`streaming`), lanes that work side by side (`lanes`), a journal from which a transfer that
was cut goes on (`journals`), and `moving`, which drives them. What is decided without input or output
stands in `continuum.model.transfers`.
"""
