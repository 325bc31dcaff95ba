"""Engines execute tasks inside one site, behind one small protocol; one file each."""
