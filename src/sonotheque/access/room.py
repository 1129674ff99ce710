"""What every handler of the reading room is given: the archive, and what is kept beside it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from litestar.di import NamedDependency

from sonotheque.access.guard import Guard
from sonotheque.access.overview import Counting
from sonotheque.access.rendering import Renderer, StaticFile
from sonotheque.access.shelf import Shelf
from sonotheque.archive import Archive
from sonotheque.deposit.receipts import Receipts
from sonotheque.desk.handling import Desk


@dataclass(frozen=True, slots=True)
class Room:
    """The reading room of one archive, for one server process."""

    archive: Archive
    receipts: Receipts
    counting: Counting
    shelf: Shelf
    guard: Guard
    desk: Desk
    forms: Guard
    """What each client sends to the desk in a day."""
    renderer: Renderer
    statics: dict[str, StaticFile]

    @staticmethod
    def seconds() -> float:
        """The time by the clock of the guards, which never runs backwards."""
        return time.monotonic()


InRoom = NamedDependency[Room]
"""The type of a handler's parameter that is given the room."""
