"""One module a measure: what is timed, against what, and what is counted afterwards."""
