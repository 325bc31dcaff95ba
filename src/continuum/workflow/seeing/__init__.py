"""Seeing what a run did: charts, pages, traces, crates and comparisons, made from its journal and summary.

Nothing here asks a site or a store anything unless it says so, and nothing changes a run.
"""
