"""The servers the system stands on, run from wheels and system packages on private ports."""
