"""The append-only ledger of who said what.

SQLite gives each entry its number (the sequencer); then the entry is published as static
files under `ledger/` — tiles, entry bundles and a signed checkpoint, as in
https://c2sp.org/tlog-tiles — that anyone can mirror. An append that was numbered but not yet
published when the process died is published when the ledger is next opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, text

from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, Refused, one_line
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Statement
from sonotheque.rights import proof
from sonotheque.store import db, files, signing

CHECKPOINT_NAME = "checkpoint"
ENTRY_BYTES_MAX = 65_535
LOCK_SECONDS_MAX = 30.0
_TILE_NAME = re.compile(r"(?P<index>(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>\d{1,3}))?")


class Ledger:
    """The ledger of one archive."""

    def __init__(self, engine: Engine, directory: Path, signer: signing.Signer) -> None:
        self._engine = engine
        self._directory = directory
        self._signer = signer
        db.apply_schema(engine, resources.files(__package__).joinpath("ledger.sql").read_text())

    def append(self, statements: Sequence[Statement]) -> tuple[Statement, ...]:
        """Add `statements` in order; they come back with their numbers.

        When this returns, they are synced, in the tiles, and under a signed checkpoint. The lock
        is the ledger's own: a takedown waits for no deposit, audit or edition.
        """
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            with self._engine.begin() as connection:
                numbered = _insert(connection, statements)
            self._publish()
        return numbered

    def publish(self) -> None:
        """Bring tiles and checkpoint up to what is numbered; does nothing when they are."""
        with files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX):
            self._publish()

    def statements_about(self, recording: RecordingId) -> tuple[Statement, ...]:
        """Every entry about `recording`, oldest first."""
        with db.reading(self._engine) as connection:
            return _about(connection, recording)

    def statements(self) -> Iterator[Statement]:
        """Every entry, oldest first."""
        with db.reading(self._engine) as connection:
            for number, entry in _entries(connection, 0, _size(connection)):
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
            for found, entry in _entries(connection, number - 1, number):
                return decode_entry(entry, found)
        return None

    def size(self) -> int:
        with db.reading(self._engine) as connection:
            return _size(connection)

    def checkpoint(self) -> str:
        """The newest signed checkpoint."""
        return self._checkpoint_path.read_text(encoding="utf-8")

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
            rows = _rows(connection)
            # What is published comes first: the database has all of that, and may have more.
            return sum(
                next(rows, None)
                != (n, decode_entry(entry, n).recording, entry, proof.leaf_hash(entry))
                for n, entry in enumerate(published, 1)
            )

    def heal(self) -> None:
        """Write the published files again from the sequencer. A checkpoint that does not hold is
        signed anew, for as many entries as there are tiles: the same key over the same tree makes
        the same bytes.

        Raises Corrupt, having written nothing, where the sequencer's own entries do not hash to
        the signed checkpoint, or, without one, to the tiles.
        """
        with (
            files.exclusive(self._lock, wait_seconds=LOCK_SECONDS_MAX),
            db.reading(self._engine) as connection,
        ):
            signed = self._signed()
            size = signed[0] if signed else _size_by_tiles(self._directory)
            hashes = [hash_ for _, hash_ in _leaf_hashes(connection, 0, size)]
            entries = [proof.leaf_hash(entry) for _, entry in _entries(connection, 0, size)]
            found = proof.subtree_root(hashes) if hashes else proof.EMPTY_ROOT
            root = signed[1] if signed else proof.tree_root(size, self._tile)
            if len(hashes) != size or hashes != entries or found != root:
                raise _contradicted(self._directory)
            self._write_tiles(connection, 0, size)
            if not signed:
                self._write_checkpoint(size, root)

    def _signed(self) -> tuple[int, bytes] | None:
        """What the checkpoint says; None where there is none that holds."""
        try:
            return read_checkpoint(self._directory, self._signer.verifier)
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
            size = _size(connection)
            published, root = self._published()
            if published > size:
                raise Corrupt(
                    f"the ledger has {published} signed entries, the database {size}",
                    where=str(self._directory),
                    remedy="the database is older than the ledger: run `sonotheque rebuild`",
                )
            if published == size and self._checkpoint_path.exists():
                return
            if proof.tree_root(published, self._tile) != root:
                raise _contradicted(self._directory)
            if not _is_whole(connection, published, size):
                raise EnvironmentFailure(
                    f"of the ledger entries from {published + 1} to {size}, which are to be"
                    " signed, the database has not all as they were written",
                    where=str(self._engine.url.database),
                    remedy="run `sonotheque audit --heal`",
                )
            old = self._write_tiles(connection, published, size)
        self._write_checkpoint(size, proof.tree_root(size, self._tile))
        for path in old:
            path.unlink(missing_ok=True)

    def _write_checkpoint(self, size: int, root: bytes) -> None:
        body = proof.checkpoint_text(self._signer.verifier.name, size, root)
        _replace(self._checkpoint_path, self._signer.sign(body).encode())

    def _published(self) -> tuple[int, bytes]:
        if not self._checkpoint_path.exists():
            return 0, proof.EMPTY_ROOT
        return read_checkpoint(self._directory, self._signer.verifier)

    def _tile(self, level: int, index: int, width: int) -> list[bytes]:
        return read_tile(self._directory, level, index, width)

    def _write_tiles(self, connection: Connection, old: int, new: int) -> list[Path]:
        """Write the tiles that entries `old` … `new` change; the partial tiles they replace."""
        replaced: list[Path] = []
        fresh = [hash_ for _, hash_ in _leaf_hashes(connection, old, new)]
        self._write_bundles(connection, old, new, replaced)
        level, old_count = 0, old
        while fresh:
            start = old_count - old_count % proof.TILE_WIDTH
            hashes = []
            if old_count > start:
                index, width = divmod(old_count, proof.TILE_WIDTH)
                hashes = self._tile(level, index, width)
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
            entries = [entry for _, entry in _entries(connection, at, end)]
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


def read_checkpoint(directory: Path, verifier: signing.Verifier) -> tuple[int, bytes]:
    """Size and root of the checkpoint in `directory`. Raises Corrupt where it does not hold."""
    path = directory / CHECKPOINT_NAME
    try:
        body = signing.verify(path.read_bytes().decode(), verifier)
        origin, size, root = proof.parse_checkpoint(body)
        if origin != verifier.name:
            raise ValueError(f"it is of the log {origin}")
    except (OSError, ValueError) as error:
        raise Corrupt(
            "the ledger's checkpoint cannot be read",
            where=str(path),
            remedy="run `sonotheque audit --heal`, or restore the ledger directory from a mirror",
        ) from error
    return size, root


def _size_by_tiles(directory: Path) -> int:
    """How many entries the tiles of `directory` are of, by their names (see `proof.tile_path`)."""
    base = directory / "tile" / "0"
    size = 0
    for path in base.rglob("*"):
        match = _TILE_NAME.fullmatch(path.relative_to(base).as_posix())
        if match and path.is_file():
            index, width = match["index"].replace("/", "").replace("x", ""), match["width"]
            size = max(size, int(index) * proof.TILE_WIDTH + int(width or proof.TILE_WIDTH))
    return size


def read_tile(directory: Path, level: int, index: int, width: int) -> list[bytes]:
    """The hashes of one tile. Raises Corrupt where the file is missing or has another size."""
    path = directory / proof.tile_path(level, index, width)
    try:
        hashes = proof.split_tile(path.read_bytes())
    except OSError:
        hashes = []
    if len(hashes) != width or len(hashes[-1]) != proof.HASH_BYTES:
        raise Corrupt(
            "a tile of the ledger is missing or damaged",
            where=str(path),
            remedy="restore the ledger directory from a mirror",
        )
    return hashes


def read_bundle(directory: Path, index: int, width: int) -> list[bytes]:
    """The entries of one bundle, each checked against its leaf hash. Raises Corrupt."""
    path = directory / proof.tile_path("entries", index, width)
    try:
        entries = proof.split_bundle(path.read_bytes())
    except (OSError, ValueError):
        entries = []
    if [proof.leaf_hash(entry) for entry in entries] != read_tile(directory, 0, index, width):
        raise Corrupt(
            "entries of the ledger do not match their hashes",
            where=str(path),
            remedy="restore the ledger directory from a mirror",
        )
    return entries


def restore(engine: Engine, directory: Path, verifier: signing.Verifier) -> int:
    """Fill an empty sequencer from the published files; the number of entries restored.

    Raises Corrupt, having restored nothing, where the entries do not hash to every tile and
    the signed root, and Refused where the sequencer is not empty.
    """
    db.apply_schema(engine, resources.files(__package__).joinpath("ledger.sql").read_text())
    number = 0
    with engine.begin() as connection:
        if _size(connection):
            raise Refused(
                "holds ledger entries already",
                where=str(engine.url.database),
                remedy="move the database away, then run `sonotheque rebuild` again",
            )
        for number, entry in enumerate(verified_entries(directory, verifier), 1):
            _insert_row(connection, number, decode_entry(entry, number).recording, entry)
    return number


def verified_entries(directory: Path, verifier: signing.Verifier) -> Iterator[bytes]:
    """The published entries, in order.

    Raises Corrupt, at the latest after the last of them, where bundles, tiles of every level and
    the signed checkpoint do not all agree.
    """
    size, root = read_checkpoint(directory, verifier)
    roots = []
    for start in range(0, size, proof.TILE_WIDTH):
        width = min(proof.TILE_WIDTH, size - start)
        entries = read_bundle(directory, start // proof.TILE_WIDTH, width)
        # Full tiles are perfect subtrees, so the log's root is the root over theirs.
        roots.append(proof.subtree_root([proof.leaf_hash(entry) for entry in entries]))
        yield from entries
    if (proof.subtree_root(roots) if roots else proof.EMPTY_ROOT) != root:
        raise _contradicted(directory)
    _check_upper_tiles(directory, roots[: size // proof.TILE_WIDTH])


def _check_upper_tiles(directory: Path, hashes: Sequence[bytes]) -> None:
    """Check the tiles above the leaves; `hashes` are those of level 1."""
    level = 1
    while hashes:
        roots = []
        for start in range(0, len(hashes), proof.TILE_WIDTH):
            tile = list(hashes[start : start + proof.TILE_WIDTH])
            if read_tile(directory, level, start // proof.TILE_WIDTH, len(tile)) != tile:
                raise _contradicted(directory)
            if len(tile) == proof.TILE_WIDTH:
                roots.append(proof.subtree_root(tile))
        level, hashes = level + 1, roots


def _contradicted(directory: Path) -> Corrupt:
    return Corrupt(
        "entries or tiles of the ledger do not hash to its signed checkpoint",
        where=str(directory),
        remedy="restore the ledger directory from a mirror",
    )


def encode_entry(statement: Statement) -> bytes:
    """`statement` as the bytes of a ledger entry: JSON, keys sorted, without its number.

    Raises BadInput where it is longer than an entry may be, or holds what is no text.
    """
    document = msgspec.to_builtins(statement)
    del document["id"]
    try:
        entry = msgspec.json.encode(document, order="sorted")
    except UnicodeEncodeError as error:
        raise BadInput(
            "holds a name that is not UTF-8",
            where=f"a statement of {one_line(statement.issuer[:60])}",
            remedy="rename that file, then run the same command again",
        ) from error
    if len(entry) > ENTRY_BYTES_MAX:
        raise BadInput(
            f"the statement is {len(entry)} bytes long",
            where=one_line(statement.issuer[:60]),
            remedy="keep the evidence beside the ledger and name its digest here",
        )
    return entry


def decode_entry(entry: bytes, number: int) -> Statement:
    """The statement of the ledger entry with that number."""
    document = msgspec.json.decode(entry)
    return msgspec.convert({**document, "id": number}, Statement)


def _insert(connection: Connection, statements: Sequence[Statement]) -> tuple[Statement, ...]:
    number = _size(connection)
    numbered = []
    for statement in statements:
        number += 1
        entry = encode_entry(statement)
        _insert_row(connection, number, statement.recording, entry)
        numbered.append(decode_entry(entry, number))
    return tuple(numbered)


def _insert_row(connection: Connection, number: int, recording: RecordingId, entry: bytes) -> None:
    connection.execute(
        text("INSERT INTO ledger_entry VALUES (:number, :recording, :entry, :leaf_hash)"),
        {
            "number": number,
            "recording": recording,
            "entry": entry,
            "leaf_hash": proof.leaf_hash(entry),
        },
    )


def _size(connection: Connection) -> int:
    found = connection.execute(text("SELECT coalesce(max(number), 0) FROM ledger_entry"))
    return int(found.scalar_one())


def _about(connection: Connection, recording: RecordingId) -> tuple[Statement, ...]:
    rows = connection.execute(
        text(
            "SELECT number, entry, leaf_hash FROM ledger_entry"
            " WHERE recording = :recording ORDER BY number"
        ),
        {"recording": recording},
    )
    return tuple(_decided_by(row.entry, row.number, row.leaf_hash) for row in rows)


def _decided_by(entry: bytes, number: int, leaf_hash: bytes) -> Statement:
    """The statement, by which something is going to be allowed or not. Raises ValueError where
    the database has another entry than the one that was hashed."""
    if proof.leaf_hash(entry) != leaf_hash:
        raise ValueError(f"ledger entry {number} does not match its hash")
    return decode_entry(entry, number)


def _rows(connection: Connection) -> Iterator[tuple[int, str, bytes, bytes]]:
    rows = connection.execute(
        text("SELECT number, recording, entry, leaf_hash FROM ledger_entry ORDER BY number")
    )
    return ((row.number, row.recording, row.entry, row.leaf_hash) for row in rows)


def _entries(connection: Connection, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    rows = connection.execute(
        text(
            "SELECT number, entry FROM ledger_entry"
            " WHERE number > :start AND number <= :end ORDER BY number"
        ),
        {"start": start, "end": end},
    )
    for row in rows:
        yield row.number, row.entry


def _is_whole(connection: Connection, start: int, end: int) -> bool:
    """Whether all entries after `start` up to `end` are there, and are those that were hashed."""
    rows = connection.execute(
        text(
            "SELECT number, entry, leaf_hash FROM ledger_entry"
            " WHERE number > :start AND number <= :end ORDER BY number"
        ),
        {"start": start, "end": end},
    )
    number = start
    for row in rows:
        number += 1
        if row.number != number or proof.leaf_hash(row.entry) != row.leaf_hash:
            return False
    return number == end


def _leaf_hashes(connection: Connection, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    rows = connection.execute(
        text(
            "SELECT number, leaf_hash FROM ledger_entry"
            " WHERE number > :start AND number <= :end ORDER BY number"
        ),
        {"start": start, "end": end},
    )
    for row in rows:
        yield row.number, row.leaf_hash
