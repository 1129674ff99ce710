"""Receipts, and the intents that make a deposit that was cut short go on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources

import msgspec
from sqlalchemy import Engine, text

from sonotheque.model.holdings import Receipt, ReceiptItem
from sonotheque.model.identifiers import DepositId, RecordingId, Sha512
from sonotheque.store import db


class Receipts:
    """What the archive has acknowledged."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        db.apply_schema(engine, resources.files(__package__).joinpath("receipts.sql").read_text())

    def intend(self, recordings: Mapping[Sha512, RecordingId]) -> None:
        """Remember, before anything is written, which recording each file is going to be."""
        if not recordings:
            return
        with self._engine.begin() as connection:
            connection.execute(
                text("INSERT OR IGNORE INTO deposit_intent VALUES (:sha512, :recording)"),
                [{"sha512": sha512, "recording": id_} for sha512, id_ in recordings.items()],
            )

    def intended(self, sha512: Sha512) -> RecordingId | None:
        """The recording that these bytes are, or were about to be, held as."""
        with db.reading(self._engine) as connection:
            found = connection.execute(
                text("SELECT recording FROM deposit_intent WHERE sha512 = :sha512"),
                {"sha512": sha512},
            ).scalar_one_or_none()
        return RecordingId(found) if found else None

    def add(self, receipt: Receipt) -> None:
        """Keep `receipt`; a receipt that is kept already is left as it is."""
        with self._engine.begin() as connection:
            connection.execute(
                text("INSERT OR IGNORE INTO deposit_receipt VALUES (:deposit, :at, :document)"),
                {
                    "deposit": receipt.deposit,
                    "at": receipt.at,
                    "document": msgspec.json.encode(receipt),
                },
            )
            for position, item in enumerate(receipt.items):
                if item.recording is not None:
                    connection.execute(
                        text(
                            "INSERT OR IGNORE INTO deposit_item"
                            " VALUES (:recording, :at, :deposit, :position, :document)"
                        ),
                        {
                            "recording": item.recording,
                            "at": receipt.at,
                            "deposit": receipt.deposit,
                            "position": position,
                            "document": msgspec.json.encode(item),
                        },
                    )

    def receipt(self, deposit: DepositId) -> Receipt | None:
        with db.reading(self._engine) as connection:
            found = connection.execute(
                text("SELECT document FROM deposit_receipt WHERE deposit = :deposit"),
                {"deposit": deposit},
            ).scalar_one_or_none()
            return msgspec.json.decode(found, type=Receipt) if found else None

    def each(self) -> Iterator[Receipt]:
        """Every receipt that is as it was written."""
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT document FROM deposit_receipt"
                    " WHERE sum IS row_sum(deposit, at, document)"
                )
            )
            for row in rows:
                yield msgspec.json.decode(row.document, type=Receipt)

    def after(self, at: str, deposit: DepositId) -> Iterator[Receipt]:
        """The receipts after that of `deposit` at `at`, in the order of their making."""
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT document FROM deposit_receipt"
                    " WHERE (at, deposit) > (:at, :deposit) ORDER BY at, deposit"
                ),
                {"at": at, "deposit": deposit},
            ).all()
        for row in rows:
            yield msgspec.json.decode(row.document, type=Receipt)

    def about(self, recording: RecordingId) -> tuple[tuple[DepositId, str, ReceiptItem], ...]:
        """Every deposit of `recording`: its identifier, when, and the item; oldest first."""
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT deposit, at, document FROM deposit_item"
                    " WHERE recording = :recording ORDER BY at, deposit, position"
                ),
                {"recording": recording},
            )
            return tuple(
                (
                    DepositId(row.deposit),
                    row.at,
                    msgspec.json.decode(row.document, type=ReceiptItem),
                )
                for row in rows
            )
