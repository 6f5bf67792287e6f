"""Logs, traces, metrics and error reports: set up once a process, the same in every service."""
