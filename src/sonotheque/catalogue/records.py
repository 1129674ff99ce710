"""The records of deposited recordings, in the database: the live overlay of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources

import msgspec
from sqlalchemy import Connection, Engine, text

from sonotheque.model.identifiers import Isrc, RecordingId
from sonotheque.model.music import Recording
from sonotheque.store import db

_decode = msgspec.json.Decoder(Recording).decode


class Records:
    """Recordings by identifier, by ISRC, and by when they came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        db.apply_schema(engine, resources.files(__package__).joinpath("records.sql").read_text())

    def put(self, recordings: Sequence[Recording]) -> None:
        """Add `recordings`, or replace what is said of the ones that are there."""
        with self._engine.begin() as connection:
            for recording in recordings:
                _put(connection, recording)

    def get(self, recording: RecordingId) -> Recording | None:
        with db.reading(self._engine) as connection:
            found = connection.execute(
                text("SELECT document FROM recording WHERE id = :id"), {"id": recording}
            ).scalar_one_or_none()
            return _decode(found) if found is not None else None

    def by_isrc(self, isrc: Isrc) -> tuple[Recording, ...]:
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT document FROM recording JOIN recording_isrc ON recording = id"
                    " WHERE isrc = :isrc ORDER BY number"
                ),
                {"isrc": isrc},
            )
            return tuple(_decode(row.document) for row in rows)

    def newest(self, limit: int) -> tuple[Recording, ...]:
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text("SELECT document FROM recording ORDER BY number DESC LIMIT :limit"),
                {"limit": limit},
            )
            return tuple(_decode(row.document) for row in rows)

    def each(self) -> Iterator[Recording]:
        """Every recording, in order of arrival."""
        with db.reading(self._engine) as connection:
            for row in connection.execute(text("SELECT document FROM recording ORDER BY number")):
                yield _decode(row.document)

    def count(self) -> int:
        with db.reading(self._engine) as connection:
            return int(connection.execute(text("SELECT count(*) FROM recording")).scalar_one())


def _put(connection: Connection, recording: Recording) -> None:
    connection.execute(
        text(
            "INSERT INTO recording (id, number, document) VALUES"
            " (:id, (SELECT coalesce(max(number), 0) + 1 FROM recording), :document)"
            " ON CONFLICT (id) DO UPDATE SET document = excluded.document"
        ),
        {"id": recording.id, "document": msgspec.json.encode(recording)},
    )
    connection.execute(
        text("DELETE FROM recording_isrc WHERE recording = :id"), {"id": recording.id}
    )
    for isrc in recording.description.isrcs:
        connection.execute(
            text("INSERT OR IGNORE INTO recording_isrc (isrc, recording) VALUES (:isrc, :id)"),
            {"isrc": isrc, "id": recording.id},
        )
