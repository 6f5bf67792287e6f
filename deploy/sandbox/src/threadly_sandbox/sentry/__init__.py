"""The error tracker: Sentry's envelope endpoint and a list of what arrived."""
