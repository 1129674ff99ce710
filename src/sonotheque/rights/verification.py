"""A whole log, verified from its published files: one pass, in bounded memory, and where
something is wrong, what and where.

Every hash is made anew from the entries and compared with the tile that has it. Where the two
differ, the signed root decides which of them is wrong: a right hash leads to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from sonotheque.errors import Corrupt
from sonotheque.model.findings import Finding, Severity
from sonotheque.rights import proof
from sonotheque.rights.published import CHECKPOINT_NAME, read_checkpoint, read_tile, tiles
from sonotheque.store import signing

FINDINGS_MAX = 100
"""Findings that are kept one by one; of more, only the number is told."""
_REMEDY = "restore it from a mirror of the ledger, or run `sonotheque audit --heal`"
Progress = Callable[[str, int, int], None]
"""(stage, done, of how many): "verify"."""


class Examination:
    """One pass over the log in `directory`, whose checkpoint must be signed by `verifier`.

    Take all of `entries`; `findings` is whole after that. `size` is the number of entries.
    """

    def __init__(self, directory: Path, verifier: signing.Verifier) -> None:
        self.size = 0
        self.findings: list[Finding] = []
        self._directory = directory
        self._more = 0
        self._root = proof.EMPTY_ROOT
        self._levels: list[list[bytes]] = [[]]
        self._done = [0]
        try:
            self.size, self._root = read_checkpoint(directory, verifier)
        except Corrupt as error:
            self._find("ledger.checkpoint", error.what, CHECKPOINT_NAME)
        self._stored = tiles(directory, self.size)

    def entries(self, progress: Progress | None = None) -> Iterator[bytes]:
        """The entries as the bundles have them, in order, as far as they can be told apart."""
        for start in range(0, self.size, proof.TILE_WIDTH):
            width = min(proof.TILE_WIDTH, self.size - start)
            yield from self._bundle(start // proof.TILE_WIDTH, width)
            if progress:
                progress("verify", start + width, self.size)
        self._end()

    def _bundle(self, index: int, width: int) -> list[bytes]:
        path = proof.tile_path("entries", index, width)
        try:
            content = (self._directory / path).read_bytes()
        except OSError:
            content = b""
        entries, rest = proof.whole_entries(content)
        leaves = [proof.leaf_hash(entry) for entry in entries[:width]]
        stored = self._tile(0, index, width)
        framed = len(entries) == width and not rest
        if not framed or leaves != stored:
            leaves = self._judge_entries(index, width, leaves, stored, framed)
        self._levels[0] = leaves
        self._hand_up(0)
        return entries[:width]

    def _judge_entries(
        self, index: int, width: int, leaves: list[bytes], stored: list[bytes], framed: bool
    ) -> list[bytes]:
        """Which of the two is wrong, a bundle (which is well `framed` or not) or its tile; the
        hashes that are right, as far as that can be told."""
        path = proof.tile_path("entries", index, width)
        made = [*leaves, *stored[len(leaves) :]]
        if len(made) < width:
            self._find(
                "ledger.entry", f"cannot be read from entry {self._number(index, made)} on", path
            )
            return [*made, *[bytes(proof.HASH_BYTES)] * (width - len(made))]
        first = _first_difference(made, stored)
        if made == stored:
            end = f"cannot be read from entry {self._number(index, leaves)} on"
            if len(leaves) == width:
                end = "goes on behind its last entry"
            self._find("ledger.entry", end, path)
            return stored
        if self._agrees(0, index, made):
            if stored:
                self._find_hash(0, index, first)
            if not framed:
                self._find("ledger.entry", "goes on behind its last entry", path)
            return made
        number = index * proof.TILE_WIDTH + first + 1
        if stored and self._agrees(0, index, stored):
            wrong = sum(one != other for one, other in zip(made, stored, strict=True)) - 1
            more = f", nor are {wrong} more in this file" if wrong else ""
            self._find("ledger.entry", f"entry {number} is not what was signed{more}", path)
            return stored
        what = f"entry {number} or its hash is not what was signed"
        self._find("ledger.entry", what, path)
        return made

    def _hand_up(self, level: int) -> None:
        """Hand the hash over a tile that is full to the level above."""
        hashes = self._levels[level]
        if len(hashes) < proof.TILE_WIDTH:
            return
        self._done[level] += 1
        self._levels[level] = []
        if len(self._levels) == level + 1:
            self._levels.append([])
            self._done.append(0)
        self._levels[level + 1].append(proof.subtree_root(hashes))
        if len(self._levels[level + 1]) == proof.TILE_WIDTH:
            self._judge_hashes(level + 1)
            self._hand_up(level + 1)

    def _judge_hashes(self, level: int) -> None:
        """Compare what was made anew of a tile above the leaves with the tile."""
        made, index = self._levels[level], self._done[level]
        stored = self._tile(level, index, len(made))
        if not stored or stored == made:
            return
        position = _first_difference(made, stored)
        if not self._agrees(level, index, made) and self._agrees(level, index, stored):
            span = proof.TILE_WIDTH**level
            start = (index * proof.TILE_WIDTH + position) * span
            what = (
                f"entries {start + 1} to {start + span} agree with their hashes, and are not what"
                " was signed"
            )
            self._find("ledger.rewritten", what, proof.tile_path(level, index, len(made)))
            self._levels[level] = stored
        else:
            self._find_hash(level, index, position)

    def _end(self) -> None:
        for level in range(1, len(self._levels)):
            if self._levels[level]:
                self._judge_hashes(level)
        levels = self._levels
        root = proof.tree_root(self.size, lambda level, index, width: levels[level])
        if root != self._root and not self.findings:
            what = "all of it agrees with itself, and is not what was signed"
            self._find("ledger.rewritten", what, CHECKPOINT_NAME)
        if self._more:
            self._find("ledger.more", f"and {self._more} more findings of this kind", "", over=True)

    def _agrees(self, level: int, index: int, hashes: list[bytes]) -> bool:
        """Whether a tile of these hashes makes the signed root, with the other tiles as stored."""
        try:
            if len(hashes) < proof.TILE_WIDTH:  # the partial tile of its level, and its last
                root = proof.tree_root(
                    self.size,
                    lambda at, n, width: hashes if at == level else self._stored(at, n, width),
                )
            else:
                span = proof.TILE_WIDTH ** (level + 1)
                start, end = index * span, (index + 1) * span
                path = proof.subtree_path(start, end, self.size, self._stored)
                top = proof.subtree_root(hashes)
                root = proof.root_by_subtree(start, end, self.size, top, path)
        except Corrupt:
            return False
        return root == self._root

    @staticmethod
    def _number(index: int, before: list[bytes]) -> int:
        return index * proof.TILE_WIDTH + len(before) + 1

    def _tile(self, level: int, index: int, width: int) -> list[bytes]:
        try:
            return read_tile(self._directory, level, index, width)
        except Corrupt:
            path = proof.tile_path(level, index, width)
            self._find("ledger.tile", "is missing, or has another size", path)
            return []

    def _find_hash(self, level: int, index: int, position: int) -> None:
        span = proof.TILE_WIDTH**level
        start = (index * proof.TILE_WIDTH + position) * span
        over = f"entry {start + 1}" if span == 1 else f"entries {start + 1} to {start + span}"
        width = min(proof.TILE_WIDTH, (self.size >> 8 * level) - index * proof.TILE_WIDTH)
        self._find(
            "ledger.tile",
            f"hash {position + 1}, over {over}, is not what was signed",
            proof.tile_path(level, index, width),
        )

    def _find(self, code: str, message: str, where: str, *, over: bool = False) -> None:
        if len(self.findings) >= FINDINGS_MAX and not over:
            self._more += 1
            return
        self.findings.append(
            Finding(
                code=code,
                severity=Severity.ERROR,
                message=message,
                remedy=_REMEDY,
                where=str(self._directory / where),
            )
        )


def verified_entries(
    directory: Path, verifier: signing.Verifier, progress: Progress | None = None
) -> Iterator[bytes]:
    """The published entries, in order.

    Raises Corrupt, at the latest after the last of them, where bundles, tiles of every level and
    the signed checkpoint do not all agree.
    """
    examination = Examination(directory, verifier)
    if not examination.findings:
        for entry in examination.entries(progress):
            if examination.findings:
                break
            yield entry
    for finding in examination.findings:
        raise Corrupt(finding.message, where=finding.where, remedy=finding.remedy)


def _first_difference(one: list[bytes], other: list[bytes]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
