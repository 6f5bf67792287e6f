"""The project's own machines: checks, and the documents that are made from the code.

Run from the root: `python -m tools.checks`, `python -m tools.event_map [--check]`, and so on.
"""
