"""Runs the whole system on one machine without Docker: servers, supervisor, test plugin."""
