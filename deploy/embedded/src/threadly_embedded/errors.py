"""What can go wrong around starting and stopping processes."""


class LauncherError(Exception):
    """Something a person must change; the message is one line that says what."""


class NotReadyError(Exception):
    """A program runs but cannot serve yet, or not any more; the message says why."""
