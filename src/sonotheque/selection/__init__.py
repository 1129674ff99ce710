"""What to keep and publish first, and why."""
