"""What exists: recordings, found by identifier or by words."""
