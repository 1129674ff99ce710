"""`make durability`: write the tables of docs/durability.md again, from the code behind them."""

from __future__ import annotations

from pathlib import Path

from sonotheque.simulation.durability import Assumptions
from sonotheque.simulation.durability_tables import filled

PAGE = Path(__file__).parents[1] / "docs" / "durability.md"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), Assumptions()), encoding="utf-8")
    print(f"{PAGE} is up to date")
