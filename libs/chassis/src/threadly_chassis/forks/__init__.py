"""A database that was set back: what it does not know any more is claimed, what it forgot is sent again.

A standby that was behind is promoted, or a backup restored: the service's epoch rises by itself (`db.epoch`).
As an *owner* it has published events that are not in its log. It says EpochBegun; every reader with
`Gate.LATEST` doubts what it has applied of that owner lately (`doubts`) and asks about it (`watch`), and the
owner says how the aggregate stands instead (`owner`), in an event that inbox and gate let pass as any other.
As a *reader* it has acknowledged events whose effects are gone, and asks their owners for them. Questions and
answers go over `t.control`, at most once: who gets no answer asks again.
"""
