"""Worlds to measure in: made-up catalogues with the proportions of the real one."""
