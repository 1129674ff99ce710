"""Rot of the database: its pages, its log, the whole file gone back or another's in its place.

Each damage is one turn: it is done to the files as they were, something must be found wrong with
what they then say, and a rebuilding must bring back all that vault and ledger keep. Many a byte of
a database means nothing (the unused part of a page): where every table and every index reads as
before, nothing was damaged, and it is not counted.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import Said, Ways, commands, fork, piece
from criteria import BY_HAND, check
from sonotheque.archive import open_archive
from sonotheque.deposit import agreement, recovery
from sonotheque.errors import EnvironmentFailure
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import replicas
from tally import Tally

_PAGE_BYTES, _BLOCK_BYTES = 4_096, 512
_FILES = ("sonotheque.db", "sonotheque.db-wal")
_RECEIPTS = frozenset(f"deposit_{name}" for name in ("receipt", "receipt_sum", "item", "item_sum"))
_ENVIRONMENT = 3
Files = dict[str, bytes]
"""Name → bytes of the database and, as after a kill, its log."""
Meaning = dict[str, list[Any]]


@dataclass(frozen=True)
class Books:
    """An archive in `directory` whose database is tortured. `states` are its database as it was
    in time, the last one as it is; `killed` as a process that was killed leaves it; `rebuilt` is
    what vault and ledger alone say."""

    directory: Path
    scratch: Path
    said: tuple[Any, ...]
    states: tuple[Files, ...]
    killed: Files
    anothers: Files
    rebuilt: Meaning

    def put(self, files: Files) -> None:
        for path in self.directory.glob("sonotheque.db*"):
            path.unlink()
        for name, content in files.items():
            (self.directory / name).write_bytes(content)

    def files(self) -> Files:
        paths = [self.directory / name for name in _FILES]
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def meaning(self, files: Files) -> Meaning | None:
        """What a reader of `files` would find in each table and index; None where it cannot."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        for name, content in files.items():
            (self.scratch / name).write_bytes(content)
        try:
            return _read(self.scratch / _FILES[0])
        except (sqlite3.Error, ValueError, OverflowError, AttributeError, IndexError):
            # The last two: a damaged schema has indexes of no column, or of one without a name.
            return None


def _read(path: Path) -> Meaning:
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    try:
        schema = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        ).fetchall()
        found: Meaning = {"schema": sorted(map(repr, schema))}
        for kind, name, table, _ in schema:
            if kind == b"table":
                found[name.decode()] = connection.execute(
                    f"SELECT * FROM {name.decode()}"
                ).fetchall()
            elif kind == b"index":
                columns = connection.execute(f"PRAGMA index_info({name.decode()})").fetchall()
                names = ", ".join(column[2].decode() for column in columns)
                found[name.decode()] = connection.execute(
                    f"SELECT {names} FROM {table.decode()} INDEXED BY {name.decode()}"
                    f" WHERE {columns[0][2].decode()} IS NOT NULL ORDER BY {names}"
                ).fetchall()
        return found
    finally:
        connection.close()


def make(base: Path) -> Books:
    """An archive with deposits, a statement, an edition and audits, and its database in time."""
    base.mkdir(parents=True)
    directory = base / "archive"
    states: list[Files] = []
    place = ("--archive", str(directory))
    lines: list[tuple[str, ...]] = [
        ("init", str(directory), "--name", "Books", "--mandate", "M", "--root", str(base / "copy"))
    ]
    for number in range(3):
        for encoding in (1, 2):
            path = piece(base / "in" / f"{number}-{encoding}.flac", number, encoding)
            lines.append(("deposit", str(path), *place))
        lines.append(("audit", *place))
    lines.append(("publish", *place))
    said: list[Said] = []
    for number, line in enumerate(lines):
        said.append(_done(number, line))
        states.append({_FILES[0]: (directory / _FILES[0]).read_bytes()})
    # Of the last of all, the ledger alone tells.
    recording = said[1].document["items"][0]["recording"]
    takedown = ("rights", "takedown", recording, "--by", "A", "--evidence", BY_HAND, *place)
    said.append(_done(len(lines), takedown))
    states.append({_FILES[0]: (directory / _FILES[0]).read_bytes()})
    other = base / "other"
    fork(commands(Ways("other"), [("init", str(other), "--name", "Other", "--mandate", "M")]))
    books = Books(
        directory=directory,
        scratch=base / "scratch",
        said=tuple(said[1:]),
        states=tuple(states),
        killed=_killed(directory, states),
        anothers={_FILES[0]: (other / _FILES[0]).read_bytes()},
        rebuilt={},
    )
    books.put({})
    recovery.rebuild(directory)
    books.rebuilt.update(books.meaning(books.files()) or {})
    return books


def _done(number: int, line: tuple[str, ...]) -> Said:
    """Run the command, which must succeed."""
    ran = fork(commands(Ways(f"books/{number}", days=number), [line]))
    if ran.problem or not ran.said or ran.said[0].code:
        raise RuntimeError(f"the books cannot be made: {ran}")
    return ran.said[0]


def _killed(directory: Path, states: list[Files]) -> Files:
    """The database before the last deposit, and the log of all that came after."""
    main = states[-5][_FILES[0]]
    (directory / _FILES[0]).write_bytes(main)
    connection = sqlite3.connect(directory / _FILES[0])
    newest = directory / "newest.db"
    newest.write_bytes(states[-1][_FILES[0]])
    source = sqlite3.connect(newest)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    source.backup(connection)
    files = {name: (directory / name).read_bytes() for name in _FILES}
    for one in (connection, source):
        one.close()
    for path in directory.glob("newest.db*"):
        path.unlink()
    return files


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _zero(content: bytes, chance: random.Random, size: int = _BLOCK_BYTES) -> bytes:
    start = chance.randrange(len(content)) // size * size
    return content[:start] + bytes(len(content[start : start + size])) + content[start + size :]


def _zero_page(content: bytes, chance: random.Random) -> bytes:
    return _zero(content, chance, _PAGE_BYTES)


def _misplace(content: bytes, chance: random.Random) -> bytes:
    """A page written over another."""
    pages = [content[at : at + _PAGE_BYTES] for at in range(0, len(content), _PAGE_BYTES)]
    one, two = chance.sample(range(len(pages)), 2)
    pages[one] = pages[two]
    return b"".join(pages)


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "a bit flipped": _flip,
    "a block of zeros": _zero,
    "a page of zeros": _zero_page,
    "a page in another's place": _misplace,
    "cut short": _truncate,
}


def _damaged(books: Books, chance: random.Random) -> tuple[str, Files]:
    """The name of a damage, and what is left by it."""
    match chance.random():
        case x if x < 0.80:
            kind = chance.choice(sorted(DAMAGES))
            content = DAMAGES[kind](books.states[-1][_FILES[0]], chance)
            return kind, {_FILES[0]: content}
        case x if x < 0.88:
            kind = chance.choice(sorted(DAMAGES))
            log = DAMAGES[kind](books.killed[_FILES[1]], chance)
            return f"its log, {kind}", {**books.killed, _FILES[1]: log}
        case x if x < 0.96:
            return "gone back to an older state", chance.choice(books.states[1:-1])
        case x if x < 0.98:
            return "another archive's in its place", books.anothers
        case _:
            return "gone", {}


def turn(tally: Tally, books: Books, chance: random.Random) -> Iterator[str]:
    """Damage the database once; what is wrong with how that is found and put right."""
    kind, files = _damaged(books, chance)
    whole = books.meaning(books.states[-1])
    if books.meaning(files) == whole:
        tally.counts["database: bytes damaged that mean nothing"] += 1
        return
    tally.counts["corruptions injected"] += 1
    tally.counts[f"corruptions: the database: {kind}"] += 1
    books.put(files)
    found = _found(books)
    if found:
        tally.counts["corruptions found"] += 1
    else:
        yield f"the database, {kind}: not found"
    try:
        recovery.rebuild(books.directory)
    except Exception as error:
        yield f"the database, {kind}: cannot be rebuilt: {error!r}"
        books.put(books.states[-1])
        return
    wrong = [*_unlike(books, whole), *_found(books)]
    if wrong:
        yield f"the database, {kind}: not healed: {wrong[0]}"
    else:
        tally.counts["corruptions healed"] += 1
    books.put(books.states[-1])


def _found(books: Books) -> list[str]:
    """What an audit finds wrong with the database: in itself, or with what it says of a holding."""
    try:
        with open_archive(books.directory) as archive:
            wrong = [finding.message for finding in agreement.faults(archive)]
            if wrong:
                return wrong
            holdings: list[HoldingId] = [held.id for held in replicas.holdings(archive.roots)]
            told = agreement.Agreement(archive)
            return [found.message for held in holdings if (found := told.behind(held))]
    except EnvironmentFailure as error:
        return [error.line()]


def _unlike(books: Books, whole: Meaning | None) -> Iterator[str]:
    """Where the database is not what vault and ledger say; of receipts it may say all it did."""
    found = books.meaning(books.files()) or {}
    for table in sorted(books.rebuilt.keys() | found.keys()):
        if table in _RECEIPTS:
            allowed = [*books.rebuilt[table], *(whole or {}).get(table, [])]
            if any(row not in allowed for row in found.get(table, [None])):
                yield f"{table} has what was never in it"
            if len(found.get(table, [])) < len(books.rebuilt[table]):
                yield f"{table} lacks something"
        elif found.get(table) != books.rebuilt.get(table):
            yield f"{table} is otherwise"


def by_commands(tally: Tally, books: Books, base: Path, chance: random.Random) -> Iterator[str]:
    """Damage the database once, and meet it with commands: any of them says so in one line, or is
    not concerned; an audit tells it, a healing heals it, and everything acknowledged is there."""
    kind, files = _damaged(books, chance)
    if books.meaning(files) == books.meaning(books.states[-1]):
        return
    shutil.rmtree(base, ignore_errors=True)
    kept = shutil.copytree(books.directory.parent, base / "kept")
    books.put(files)
    recording = books.said[0].document["items"][0]["recording"]
    place = ("--archive", str(books.directory))
    new = piece(base / "in" / "900.flac", 900)
    line = chance.choice(
        [
            *(("find", "Piece"), ("show", recording), ("rights", "show"), ("publish", "--plan")),
            *(("deposit", str(new)), ("deposit", str(books.directory.parent / "in/0-1.flac"))),
            ("rights", "takedown", recording, "--by", "A", "--evidence", BY_HAND),
            ("rights", "decide", recording, "stream"),
            ("audit", "--only", recording),
        ]
    )
    ran = fork(commands(Ways("books/met", days=900), [(*line, *place)]))
    yield from (f"the database, {kind}: {wrong}" for wrong in _answered(ran))
    tally.counts["database: commands that met damage"] += 1
    acknowledges = line[0] == "deposit" or line[:2] == ("rights", "takedown")
    met = [said for said in ran.said if acknowledges and said.code == 0]
    lines = [("audit", *place), ("audit", "--heal", *place), ("audit", *place)]
    healed = fork(commands(Ways("books/healed", days=901), lines))
    codes = [said.code for said in healed.said]
    if healed.problem or codes[1:] != [0, 0]:
        # What is no database at all is no archive to audit; the line names the remedy.
        lines = [("rebuild", *place), ("audit", "--heal", *place), ("audit", *place)]
        refused = codes == [_ENVIRONMENT] * 3 and "rebuild" in healed.said[1].error
        healed = fork(commands(Ways("books/rebuilt", days=902), lines))
        if not refused or [said.code for said in healed.said] != [0, 0, 0]:
            yield f"the database, {kind}: audits end by {codes}, then {healed}"
    after = fork(lambda _speaker: check(books.directory, [*books.said, *met], set(), writer=True))
    wrong = [after.problem] if after.problem else list(after.result)
    yield from (f"the database, {kind}, after {line[0]}: {one}" for one in wrong[:1])
    for path in (books.directory, books.directory.parent / "copy"):
        shutil.rmtree(path)
        shutil.copytree(kept / path.name, path)


def _answered(ran: Any) -> Iterator[str]:
    """What is wrong with how a command answered that met a damaged database."""
    if ran.problem or ran.signal or not ran.said:
        yield f"a command ended by {ran.signal or ran.problem or 'nothing'}"
        return
    said = ran.said[0]
    line = said.error.strip()
    if said.code not in (0, 1, _ENVIRONMENT) or "unexpected" in line or "\n" in line:
        yield f"{said.words[:2]}: exit code {said.code}, {line}"
