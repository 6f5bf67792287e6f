"""The smallest service there can be: notes with versions. The chassis' own tests run on it."""
