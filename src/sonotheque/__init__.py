"""sonotheque: a lawful, long-term preservation archive of recorded music."""

__version__ = "0.1.0"
