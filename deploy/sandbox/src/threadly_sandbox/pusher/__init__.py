"""The realtime provider: Pusher Channels' HTTP interface and its WebSocket protocol 7."""
