"""What people are told: notices, mail, real-time events."""
