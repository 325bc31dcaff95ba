"""Streams of objects and files between tasks and the main program."""
