"""The ground: files that survive a power cut, the database, and processes that are confined."""
