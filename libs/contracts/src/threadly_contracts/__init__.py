"""The events that Threadly's services publish: the one thing they share."""
