"""When torture was survived: the acknowledged set is in the recovered set, nothing half-made is
visible, and a second run converges. Each function returns what is wrong, one line each."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import ocfl

from commands import Said
from sonotheque.archive import Archive, open_archive
from sonotheque.deposit.receipts import Receipts
from sonotheque.errors import SonothequeError
from sonotheque.publication.edition import Edition, editions
from sonotheque.store import files
from sonotheque.vault.objects import Vault

BY_HAND = "a letter"
"""The evidence of statements that the command `rights` enters."""
Validated = set[str]
"""Digests of storage roots that the independent validator has called valid."""


def acknowledged(archive: Archive, said: Sequence[Said], *, everywhere: bool) -> Iterator[str]:
    """Everything that was acknowledged is there: in every root that the receipt names, or,
    unless `everywhere`, in at least one."""
    for one in said:
        if one.code == 0:
            match one.words[0]:
                case "deposit":
                    yield from _receipt(archive, one.document, everywhere=everywhere)
                case "rights":
                    yield from _statement(archive, one.document["statement"])
                case "publish":
                    yield from _edition(archive, one.document["number"])


def _receipt(archive: Archive, document: Any, *, everywhere: bool) -> Iterator[str]:
    if Receipts(archive.database).receipt(document["deposit"]) is None:
        yield f"receipt {document['deposit']} is lost"
    for item in document["items"]:
        if item["recording"] is None:
            continue
        roots = [root for root in vaults(archive) if root.name in item["roots"]]
        wrong = [r.name for r in roots if not _has(r, item["holding"], item["sha512"])]
        if len(wrong) == len(roots) or (everywhere and wrong):
            yield f"{item['path']} of {document['deposit']} is lost in {', '.join(wrong)}"
        if archive.catalogue.get(item["recording"]) is None:
            yield f"recording {item['recording']} is not in the catalogue"


def vaults(archive: Archive) -> list[Vault]:
    """The storage roots, all of which are directories here."""
    return [root for root in archive.roots if isinstance(root, Vault)]


def _has(root: Vault, holding: Any, sha512: str) -> bool:
    try:
        inventory = root.inventory(holding)
        if inventory is None or sha512 not in inventory.state().values():
            return False
        path = root.object_path(holding) / inventory.content_path(sha512)  # type: ignore[arg-type]
        return files.sha512_of(path) == sha512
    except SonothequeError:
        return False


def _statement(archive: Archive, document: Any) -> Iterator[str]:
    kept = archive.ledger.statement(document["id"])
    if kept is None or msgspec.json.decode(msgspec.json.encode(kept)) != document:
        yield f"statement {document['id']} is lost"


def _edition(archive: Archive, number: int) -> Iterator[str]:
    if number not in {edition.number for edition in editions(archive.config)}:
        yield f"edition {number} is lost"


def settled(archive: Archive, validated: Validated) -> Iterator[str]:
    """Nothing half-made is visible: roots that the independent validator calls valid, a ledger
    that hashes to its checkpoint, whole editions, nothing staged, nothing twice."""
    for root in vaults(archive):
        yield from valid(root, validated)
        audio = Counter(file.sha512 for held in root.holdings() for file in held.audio)
        yield from (f"{digest[:16]} is held {n} times" for digest, n in audio.items() if n > 1)
    try:
        archive.ledger.verify()
    except SonothequeError as error:
        yield error.line()
    # What somebody enters by hand is entered as often as it is said; a delivery says it once.
    statements = Counter(replace(s, id=0, at="") for s in archive.ledger.statements())
    yield from (
        f"{s.kind} by {s.issuer} is entered {n} times"
        for s, n in statements.items()
        if n > 1 and s.evidence != BY_HAND
    )
    for edition in editions(archive.config):
        yield from _whole(edition)
    for place in (archive.config.directory, archive.config.ledger, archive.config.keys):
        pattern = "*.tmp" if place == archive.config.directory else "**/*.tmp"
        yield from (f"{path} is left over" for path in place.glob(pattern))


def valid(root: Vault, validated: Validated) -> Iterator[str]:
    """The independent validator calls the root valid, reading every byte, and it has no strays."""
    digest = tree_digest(root.path)
    if digest not in validated:
        logging.getLogger().setLevel(logging.CRITICAL)
        checked = ocfl.StorageRoot(root=str(root.path))
        checked.open_root_fs()
        checked.check_root_structure()
        number, good, errors = checked.validate_hierarchy(validate_objects=True, check_digests=True)
        wrong = [*errors, *(["an object is invalid"] if number != good else [])]
        if number != len(list(root.object_names())) or checked.num_traversal_errors:
            wrong.append("there are strays in it")
        for path in root.path.rglob("*"):
            if path.name.endswith(".tmp") or (path.is_dir() and not any(path.iterdir())):
                wrong.append(f"{path} is a stray")
        yield from (f"ocfl-py on root {root.name}: {error}" for error in wrong)
        if not wrong:
            validated.add(digest)
    if root.staging.exists() and any(root.staging.iterdir()):
        yield f"{root.staging} is not empty"


def _whole(edition: Edition) -> Iterator[str]:
    content = edition.directory / "content"
    for file in edition.files:
        path = content / file.path
        if not path.is_file() or files.sha512_of(path) != file.sha512:
            yield f"edition {edition.number}: {file.path} is not whole"


def tree_digest(*places: Path) -> str:
    """A digest of every name and byte below `places`."""
    digest = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*")):
            digest.update(f"{path.relative_to(place)}\0".encode())
            if path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def check(
    directory: Path,
    said: Sequence[Said],
    validated: Validated,
    *,
    writer: bool,
    whole: bool = True,
) -> list[str]:
    """What is wrong with the archive in `directory`, as a reader finds it, or, with `writer`,
    once the next writer has settled what a dead one left. One that is not `whole` has damage
    that no healing was acknowledged of."""
    try:
        with open_archive(directory) as archive:
            if not writer:
                return [*acknowledged(archive, said, everywhere=False)]
            with archive.writing():
                pass
            wrong = [*acknowledged(archive, said, everywhere=whole)]
            return [*wrong, *settled(archive, validated)] if whole else wrong
    except (SonothequeError, OSError, LookupError) as error:
        return [f"{type(error).__name__}: {error}"]


def kept(directory: Path) -> str:
    """A digest of what an operation that has nothing left to do must not change."""
    with open_archive(directory) as archive:
        return tree_digest(*(root.path for root in vaults(archive)), archive.config.ledger)
