"""The desk: what people ask of the archive about their recordings, case by case."""
