"""Stand-ins that speak the wire protocols of Clerk, Stripe, Algolia, Pusher, Sentry and SMTP."""
