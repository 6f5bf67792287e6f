"""Starts the servers that integration tests need, once for a whole test run."""
