"""The vocabulary: what the archive talks about, as frozen values that do no I/O."""
