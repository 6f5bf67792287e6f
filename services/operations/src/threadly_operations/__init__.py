"""What operators need: every message that gave up, why, and the way to run it again.

Operations gathers the dead letters of all consumers. It never applies an event itself: a replay goes back to
the queue of the one consumer that failed, and a letter is resolved only when that consumer says so.
"""
