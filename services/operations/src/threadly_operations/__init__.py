"""Dead letters, replay, and the operators' command line."""
