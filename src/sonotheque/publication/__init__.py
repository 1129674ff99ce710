"""Editions: what the archive publishes, for anyone to verify and mirror."""
