"""The append-only ledger of who said what.

SQLite gives each entry its number (the sequencer); then the entry is published as static
files under `ledger/` — tiles, entry bundles and a signed checkpoint, as in
https://c2sp.org/tlog-tiles — that anyone can mirror. An append that was numbered but not yet
published when the process died is published when the ledger is next opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from sonotheque.errors import Corrupt, EnvironmentFailure, NotFound, Refused
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Statement
from sonotheque.rights import evidence, proof, sequencer, succession
from sonotheque.rights.cosigning import Witnesses
from sonotheque.rights.entries import decode_entry
from sonotheque.rights.published import (
    CHECKPOINT_NAME,
    read_checkpoint,
    read_signed,
    read_successions,
    read_tile,
    size_by_tiles,
    tiles,
)
from sonotheque.rights.verification import verified_entries
from sonotheque.store import db, files, signing

LOCK_SECONDS_MAX = 30.0


class Ledger:
    """The ledger of one archive, published in `directory`.

    `newest` is a file that keeps the newest checkpoint that was ever signed, beside the key and
    not beside the ledger: what went back to an older copy is not signed on.
    """

    def __init__(
        self,
        engine: Engine,
        directory: Path,
        signer: signing.Signer,
        *,
        newest: Path,
        witnesses: Witnesses | None = None,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._signer = signer
        self._newest_path = newest
        self.witnesses = witnesses or Witnesses()
        db.apply_schema(engine, resources.files(__package__).joinpath("ledger.sql").read_text())

    def append(self, statements: Sequence[Statement]) -> tuple[Statement, ...]:
        """Add `statements` in order; they come back with their numbers.

        When this returns, they are synced, in the tiles, and under a signed checkpoint, which the
        witnesses have been asked to cosign; `witnesses.away` says who was not to be had. The lock
        is the ledger's own: a takedown waits for no deposit, audit or edition.
        """
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            with self._engine.begin() as connection:
                self._check_newest(connection)
                numbered = sequencer.insert(connection, statements)
            self._publish()
        self.cosign()
        return numbered

    def publish(self) -> None:
        """Bring tiles and checkpoint up to what is numbered; does nothing when they are."""
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            self._publish()

    def cosign(self) -> None:
        """Have the witnesses cosign the newest checkpoint, and keep what they sign in it."""
        if not self.witnesses.cosigners:
            return
        note = self.checkpoint()
        size, _ = self._published()
        tile = self._tiles(size)
        lines = self.witnesses.cosign(note, lambda old: proof.consistency_path(old, size, tile))
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            # Where the log has grown meanwhile, whoever made it grow has asked anew.
            if lines and signing.split_note(self.checkpoint())[0] == signing.split_note(note)[0]:
                _replace(self._checkpoint_path, signing.with_lines(note, lines).encode())

    def statements_about(self, recording: RecordingId) -> tuple[Statement, ...]:
        """Every entry about `recording`, oldest first."""
        with db.reading(self._engine) as connection:
            return sequencer.about(connection, recording)

    def statements(self) -> Iterator[Statement]:
        """Every entry, oldest first."""
        with db.reading(self._engine) as connection:
            for number, entry in sequencer.entries(connection, 0, sequencer.size(connection)):
                yield decode_entry(entry, number)

    def statements_by_recording(self) -> Iterator[tuple[Statement, ...]]:
        """Every entry, those about one recording together, oldest first; one recording at a time
        is held in memory."""
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text("SELECT number, recording, entry FROM ledger_entry ORDER BY recording, number")
            )
            for _, entries in groupby(rows, key=lambda row: row.recording):
                yield tuple(decode_entry(row.entry, row.number) for row in entries)

    def statement(self, number: int) -> Statement | None:
        """The entry with that number."""
        if number < 1:
            return None
        with db.reading(self._engine) as connection:
            for found, entry in sequencer.entries(connection, number - 1, number):
                return decode_entry(entry, found)
        return None

    def size(self) -> int:
        with db.reading(self._engine) as connection:
            return sequencer.size(connection)

    def checkpoint(self) -> str:
        """The newest signed checkpoint."""
        return self._checkpoint_path.read_text(encoding="utf-8")

    def prove(self, number: int) -> evidence.InclusionProof:
        """That the entry with that number is in the log of the newest checkpoint.

        Raises NotFound where there is none.
        """
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            self._publish()
            size, _ = self._published()
            if not 0 < number <= size:
                raise not_there(number)
            with db.reading(self._engine) as connection:
                if not sequencer.is_whole(connection, number - 1, number):
                    raise ValueError(f"ledger entry {number} is not as it was written")
                ((_, entry),) = sequencer.entries(connection, number - 1, number)
            made = evidence.InclusionProof(
                index=number - 1,
                path=tuple(proof.inclusion_path(number - 1, size, self._tiles(size))),
                checkpoint=self.checkpoint(),
                extra=entry,
            )
        evidence.verify_inclusion(made, [self._signer.verifier])
        return made

    def prove_growth(self, older: evidence.Checkpoint) -> evidence.ConsistencyProof:
        """That the log of the newest checkpoint begins with that of `older`.

        Raises Corrupt where it does not.
        """
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            self._publish()
            size, root = self._published()
            if older.size > size:
                raise Corrupt(
                    f"the checkpoint is of {older.size} entries, and the ledger has {size}",
                    remedy="keep that checkpoint: it proves that the archive has lost entries",
                )
            path = tuple(proof.consistency_path(older.size, size, self._tiles(size)))
            checkpoint = self.checkpoint()
        evidence.check_consistent(older.size, older.root, size, root, path)
        return evidence.ConsistencyProof(old=older.size, path=path, checkpoint=checkpoint)

    def keys(self) -> list[signing.Verifier]:
        """Every key that has signed this log, the one that signs now first."""
        return succession.related(self._signer.verifier, read_successions(self._directory))

    def hand_over(self, successor: signing.Signer, at: str) -> Path:
        """Have `successor` follow the key that signs now, at `at`; the note that says so.

        The newest checkpoint is signed by both then. Doing it again does no harm.
        """
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            self._publish()
            notes = read_successions(self._directory)
            made = self._directory / succession.KEYS_NAME / f"{len(notes):03d}"
            if not notes or succession.read_note(notes[-1])[1] != successor.verifier:
                made = made.with_name(f"{len(notes) + 1:03d}")
                files.make_directory(made.parent)
                _replace(made, succession.make_note(self._signer, successor, at).encode())
            note = self.checkpoint()
            line = successor.signature(signing.split_note(note)[0])
            both = signing.with_lines(note, [line]).encode()
            _replace(self._newest_path, both)
            _replace(self._checkpoint_path, both)
        return made

    def verify(self) -> int:
        """Re-read and re-hash everything that is published; the number of entries.

        Raises Corrupt where anything does not agree with the signed checkpoint.
        """
        return sum(1 for _ in verified_entries(self._directory, self._signer.verifier))

    def forgotten(self) -> int:
        """How many of the published entries the database has otherwise, or not at all.

        Raises Corrupt where what is published does not hold itself.
        """
        published = verified_entries(self._directory, self._signer.verifier)
        with db.reading(self._engine) as connection:
            rows = sequencer.rows(connection)
            # What is published comes first: the database has all of that, and may have more.
            return sum(
                next(rows, None)
                != (n, decode_entry(entry, n).recording, entry, proof.leaf_hash(entry))
                for n, entry in enumerate(published, 1)
            )

    def heal(self) -> None:
        """Write the published files again from the sequencer. A checkpoint that does not hold is
        signed anew, as it was kept beside the key, or else for as many entries as there are
        tiles: the same key over the same tree makes the same bytes.

        Raises Corrupt, having written nothing, where the sequencer's own entries do not hash to
        the signed checkpoint, or, without one, to the tiles.
        """
        with (
            files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX),
            db.reading(self._engine) as connection,
        ):
            kept = self._signed(self._newest_path)
            signed = self._signed(self._checkpoint_path)
            known = signed or kept
            size = known[0] if known else size_by_tiles(self._directory)
            hashes = [hash_ for _, hash_ in sequencer.leaf_hashes(connection, 0, size)]
            entries = [
                proof.leaf_hash(entry) for _, entry in sequencer.entries(connection, 0, size)
            ]
            found = proof.subtree_root(hashes) if hashes else proof.EMPTY_ROOT
            root = known[1] if known else proof.tree_root(size, self._tiles(size))
            if len(hashes) != size or hashes != entries or found != root:
                raise _contradicted(self._directory)
            self._write_tiles(connection, 0, size)
            if not signed or not kept:
                self._sign(size, root)

    def _signed(self, path: Path) -> tuple[int, bytes] | None:
        """What the checkpoint in that file says; None where there is none that holds."""
        try:
            return read_signed(path, self._signer.verifier)
        except Corrupt:
            return None

    @property
    def _lock(self) -> Path:
        # Beside the directory, which holds nothing but what mirrors copy.
        return self._directory.with_name(f".lock-{self._directory.name}")

    @property
    def _checkpoint_path(self) -> Path:
        return self._directory / CHECKPOINT_NAME

    def _publish(self) -> None:
        with db.reading(self._engine) as connection:
            self._check_newest(connection)
            size = sequencer.size(connection)
            published, root = self._published()
            if published == size and self._newest_path.exists() and self._checkpoint_path.exists():
                return
            if proof.tree_root(published, self._tiles(published)) != root:
                raise _contradicted(self._directory)
            if not sequencer.is_whole(connection, published, size):
                raise EnvironmentFailure(
                    f"of the ledger entries from {published + 1} to {size}, which are to be"
                    " signed, the database has not all as they were written",
                    where=str(self._engine.url.database),
                    remedy="run `sonotheque audit --heal`",
                )
            self._check_last_tile(connection, published)
            old = self._write_tiles(connection, published, size)
        root = proof.tree_root(size, self._tiles(size))
        self._check_grown(size)
        self._check_witnesses(size)
        self._sign(size, root)
        for path in old:
            path.unlink(missing_ok=True)

    def _check_newest(self, connection: Connection) -> None:
        """Raises Corrupt where more was signed than the database has."""
        size = sequencer.size(connection)
        published, _ = self._published()
        newest, _ = self._newest()
        if published > size:
            raise Corrupt(
                f"the ledger has {published} signed entries, the database {size}",
                where=str(self._directory),
                remedy="the database is older than the ledger: run `sonotheque rebuild`",
            )
        if newest > size:
            raise Corrupt(
                f"{newest} entries were signed, and there are {size}: this is an older copy",
                where=str(self._directory),
                remedy="bring the ledger directory back from a mirror, then run"
                " `sonotheque rebuild`; nothing is signed before that",
            )

    def _check_last_tile(self, connection: Connection, published: int) -> None:
        """Raises Corrupt where the database's last published entries are not those of the tiles."""
        index = (published - 1) // proof.TILE_WIDTH
        start = max(0, index * proof.TILE_WIDTH)
        hashes = [hash_ for _, hash_ in sequencer.leaf_hashes(connection, start, published)]
        if hashes and hashes != self._tiles(published)(0, index, len(hashes)):
            raise _contradicted(self._directory)

    def _check_grown(self, size: int) -> None:
        """Raises Corrupt where the tiles do not begin with what was signed before."""
        newest, root = self._newest()
        if newest and proof.range_root(0, newest, self._tiles(size)) != root:
            raise _contradicted(self._directory)

    def _check_witnesses(self, size: int) -> None:
        """Raises Corrupt where a witness has cosigned what is not the beginning of this log:
        everything here may have come back from an older copy, and only it remembers."""
        if not self.witnesses.cosigners:
            return
        keys = self.keys()
        for one, seen in self.witnesses.newest(keys[0].name, keys):
            if seen.size > size:
                _replace(self._newest_path, seen.note.encode())
                raise Corrupt(
                    f"the witness {one.verifier.name} has seen {seen.size} entries, and there are"
                    f" {size}: this is an older copy",
                    where=str(self._directory),
                    remedy="bring the ledger directory back from a mirror, then run"
                    " `sonotheque rebuild`; nothing is signed before that",
                )
            if seen.size and proof.range_root(0, seen.size, self._tiles(size)) != seen.root:
                raise Corrupt(
                    f"the witness {one.verifier.name} has seen other entries under this key",
                    where=str(self._directory),
                    remedy="find out who signed it; nothing is signed before that",
                )

    def _sign(self, size: int, root: bytes) -> None:
        """Sign what is on the disk. It is remembered beside the key before anybody can see it."""
        body = proof.checkpoint_text(self._signer.verifier.name, size, root)
        note = self._signer.sign(body).encode()
        _replace(self._newest_path, note)
        _replace(self._checkpoint_path, note)

    def _newest(self) -> tuple[int, bytes]:
        if not self._newest_path.exists():
            return 0, proof.EMPTY_ROOT
        return read_signed(self._newest_path, self._signer.verifier)

    def _published(self) -> tuple[int, bytes]:
        if not self._checkpoint_path.exists():
            return 0, proof.EMPTY_ROOT
        return read_checkpoint(self._directory, self._signer.verifier)

    def _tiles(self, size: int) -> proof.Tile:
        return tiles(self._directory, size)

    def _write_tiles(self, connection: Connection, old: int, new: int) -> list[Path]:
        """Write the tiles that entries `old` … `new` change; the partial tiles they replace."""
        replaced: list[Path] = []
        fresh = [hash_ for _, hash_ in sequencer.leaf_hashes(connection, old, new)]
        self._write_bundles(connection, old, new, replaced)
        level, old_count = 0, old
        while fresh:
            start = old_count - old_count % proof.TILE_WIDTH
            hashes = []
            if old_count > start:
                index, width = divmod(old_count, proof.TILE_WIDTH)
                hashes = read_tile(self._directory, level, index, width)
                replaced.append(self._directory / proof.tile_path(level, index, width))
            hashes += fresh
            fresh = []
            for at in range(0, len(hashes), proof.TILE_WIDTH):
                tile = hashes[at : at + proof.TILE_WIDTH]
                self._write(level, (start + at) // proof.TILE_WIDTH, len(tile), b"".join(tile))
                if len(tile) == proof.TILE_WIDTH:
                    fresh.append(proof.subtree_root(tile))
            level, old_count = level + 1, old_count >> 8
        return replaced

    def _write_bundles(
        self, connection: Connection, old: int, new: int, replaced: list[Path]
    ) -> None:
        start = old - old % proof.TILE_WIDTH
        if old > start:
            index, width = divmod(old, proof.TILE_WIDTH)
            replaced.append(self._directory / proof.tile_path("entries", index, width))
        for at in range(start, new, proof.TILE_WIDTH):
            end = min(new, at + proof.TILE_WIDTH)
            entries = [entry for _, entry in sequencer.entries(connection, at, end)]
            self._write("entries", at // proof.TILE_WIDTH, end - at, proof.bundle(entries))

    def _write(self, level: int | str, index: int, width: int, content: bytes) -> None:
        path = self._directory / proof.tile_path(level, index, width)
        files.make_directory(path.parent)
        _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
    """As files.replace, clearing what a process that died left there: mirrors copy it all."""
    for leftover in files.leftovers(path.parent):
        leftover.unlink()
    files.replace(path, content)


def restore(engine: Engine, directory: Path, verifier: signing.Verifier, *, newest: Path) -> int:
    """Fill an empty sequencer from the published files; the number of entries restored.

    A checkpoint that was signed and did not get into `directory`, since the process died, is
    found in `newest`. Raises Corrupt, having restored nothing, where the entries do not hash to
    every tile and the signed root, and Refused where the sequencer is not empty.
    """
    db.apply_schema(engine, resources.files(__package__).joinpath("ledger.sql").read_text())
    number = 0
    with engine.begin() as connection:
        if sequencer.size(connection):
            raise Refused(
                "holds ledger entries already",
                where=str(engine.url.database),
                remedy="move the database away, then run `sonotheque rebuild` again",
            )
        _catch_up(directory, verifier, newest)
        for number, entry in enumerate(verified_entries(directory, verifier), 1):
            sequencer.insert_row(connection, number, decode_entry(entry, number).recording, entry)
    return number


def _catch_up(directory: Path, verifier: signing.Verifier, newest: Path) -> None:
    with contextlib.suppress(Corrupt):  # no such file, or tiles that are not there
        size, root = read_signed(newest, verifier)
        published, _ = read_checkpoint(directory, verifier)
        if size > published and proof.tree_root(size, tiles(directory, size)) == root:
            _replace(directory / CHECKPOINT_NAME, newest.read_bytes())


def _contradicted(directory: Path) -> Corrupt:
    return Corrupt(
        "entries or tiles of the ledger do not hash to its signed checkpoint",
        where=str(directory),
        remedy="restore the ledger directory from a mirror",
    )


def not_there(number: int) -> NotFound:
    return NotFound(
        "is not in the ledger", where=f"entry {number}", remedy="see `sonotheque rights show`"
    )
