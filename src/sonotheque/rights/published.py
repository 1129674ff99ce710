"""The published files of a log, read: checkpoint, tiles and bundles of entries.

They may be this archive's, or those that somebody mirrored.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from sonotheque.errors import Corrupt
from sonotheque.rights import proof, succession
from sonotheque.store import files, signing

CHECKPOINT_NAME = "checkpoint"
_TILES_KEPT = 64
_TILE_NAME = re.compile(r"(?P<index>(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>\d{1,3}))?")


def read_note(path: Path) -> str:
    """A signed note, or another text of that kind, as it is. Raises BadInput where there is no
    such file, Corrupt where it is no text."""
    try:
        with path.open("rb") as file:
            return file.read(signing.NOTE_BYTES_MAX).decode()
    except OSError as error:
        raise files.explain(error, path) from error
    except UnicodeDecodeError as error:
        raise Corrupt(
            "is no text", where=str(path), remedy="get it again from where it came"
        ) from error


def read_checkpoint(directory: Path, verifier: signing.Verifier) -> tuple[int, bytes]:
    """Size and root of the checkpoint in `directory`. Raises Corrupt where it does not hold."""
    return read_signed(directory / CHECKPOINT_NAME, verifier)


def read_signed(path: Path, verifier: signing.Verifier) -> tuple[int, bytes]:
    """Size and root of the checkpoint in the file `path`, signed by `verifier`. Raises Corrupt."""
    remedy = "run `sonotheque audit --heal`, or restore the ledger directory from a mirror"
    try:
        body = signing.verify(path.read_bytes().decode(), verifier)
        origin, size, root = proof.parse_checkpoint(body)
        if origin != verifier.name:
            raise ValueError(f"it is of the log {origin}")
    except Corrupt as error:
        raise Corrupt(error.what, where=str(path), remedy=remedy) from error
    except (OSError, ValueError) as error:
        what = "the ledger's checkpoint cannot be read"
        raise Corrupt(what, where=str(path), remedy=remedy) from error
    return size, root


def read_successions(directory: Path) -> list[str]:
    """The notes by which the keys of the log in `directory` followed each other, oldest first."""
    return [read_note(path) for path in sorted((directory / succession.KEYS_NAME).glob("[0-9]*"))]


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


def tiles(directory: Path, size: int) -> proof.Tile:
    """The tiles of the log of `size` entries in `directory`; what was read last is kept."""

    @lru_cache(_TILES_KEPT)
    def whole(level: int, index: int) -> list[bytes]:
        width = min(proof.TILE_WIDTH, (size >> 8 * level) - index * proof.TILE_WIDTH)
        return read_tile(directory, level, index, width)

    return lambda level, index, width: whole(level, index)[:width]


def size_by_tiles(directory: Path) -> int:
    """How many entries the tiles of `directory` are of, by their names (see `proof.tile_path`)."""
    base = directory / "tile" / "0"
    size = 0
    for path in base.rglob("*"):
        match = _TILE_NAME.fullmatch(path.relative_to(base).as_posix())
        if match and path.is_file():
            index, width = match["index"].replace("/", "").replace("x", ""), match["width"]
            size = max(size, int(index) * proof.TILE_WIDTH + int(width or proof.TILE_WIDTH))
    return size
