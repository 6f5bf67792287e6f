"""Helpers that test suites share; test modules cannot import one another."""

from .probes import eventually

__all__ = ["eventually"]
