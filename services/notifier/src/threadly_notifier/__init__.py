"""What people are told: notices in the app, mail, real-time events.

Notifier decides whom an event concerns and in which words; it never decides anything about the event.
"""
