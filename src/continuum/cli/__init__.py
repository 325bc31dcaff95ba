"""The command line: one file per noun, nothing but parsing, calling and printing.

Start-up matters to whoever types: a command's module, and what it imports, is loaded when the command is
used.
"""

from continuum.cli.main import main

__all__ = ["main"]
