"""``python -m sonotheque`` is the ``sonotheque`` command."""

from sonotheque.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
