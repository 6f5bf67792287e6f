"""`make bench`: the event core against bare baselines, in the same run, on servers of its own.

Every figure stands next to what the same machine gave, minutes apart at most, to code without our
guarantees; the rounds of both take turns, because a shared machine's speed changes while one looks.
"""
