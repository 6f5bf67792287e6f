"""Who somebody is: users, sessions, identity tokens."""
