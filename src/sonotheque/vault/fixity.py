"""Fixity: is every copy still what was deposited, and if not, is there one to heal it from?

An audit reads every file of every object in every root. What a file must hold is known from the
newest inventory that verifies in any root, so that a copy that is stale, cut short, swapped or
whole but wrong is told from a sound one. Healing replaces only files that fail, and only with
bytes that verify.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

import msgspec
from sqlalchemy import Engine, text

from sonotheque.errors import Corrupt
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import db, files
from sonotheque.vault import ocfl
from sonotheque.vault.objects import AGENT, KnownFile, Vault
from sonotheque.vault.replicas import object_names, read, replicate, require_present
from sonotheque.vault.roots import Root

AUDIT_PREFIX = "urn:sonotheque:audit:"
EVENTS_NAME = "events.jsonl"


def audit(
    roots: Sequence[Root], now: str, *, heal: bool = False, only: HoldingId | None = None
) -> Iterator[FixityEvent]:
    """Check every object (or `only` one) in every root, the primary first.

    Yields one PASS an object and root, or one event a wrong file; with `heal`, a wrong file is
    replaced from a root where it verifies (HEALED) or reported LOST. A whole object that is
    missing is one event with an empty path. Raises EnvironmentFailure where a root is away.
    """
    require_present(roots)
    if only:
        names: Iterable[str] = [ocfl.object_path(only)]
    else:
        names = object_names(roots)
    for name in names:
        yield from _audit_object(roots, name, now, heal)


def heal_from(
    roots: Sequence[Root], holding: HoldingId, file: KnownFile, now: str
) -> Iterator[FixityEvent]:
    """Put `file` in the place of every copy of those bytes in `holding` that is missing or wrong.

    What no root has any more, somebody who still has it brings back. Raises Corrupt where no
    inventory says that the holding has these bytes at all.
    """
    expected = _expected(roots, ocfl.object_path(holding))
    paths = [path for path, digest in expected.digests.items() if digest == file.sha512]
    for root in roots:
        for path in paths:
            if root.digest(expected.name, path) != file.sha512:
                root.restore_file(expected.name, path, files.blocks(file.path), file.sha512)
                detail = "from a deposit of the same bytes"
                yield _event(expected, root, now, Outcome.HEALED, path=path, detail=detail)


def preserve(
    primary: Vault, replicas: Sequence[Root], events: Sequence[FixityEvent], now: str
) -> HoldingId:
    """Keep an audit run as a small holding of its own, in every root."""
    holding = HoldingId(f"{AUDIT_PREFIX}{now}")
    lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    primary.write_version(holding, {EVENTS_NAME: lines}, message="fixity audit", now=now)
    replicate(primary, replicas, holding)
    return holding


def preserved_events(roots: Sequence[Root], holding: HoldingId) -> list[FixityEvent]:
    """The events of an audit run that `preserve` kept."""
    lines = read(roots, holding, EVENTS_NAME).splitlines()
    return [msgspec.json.decode(line, type=FixityEvent) for line in lines]


class FixityLog:
    """The fixity events of an archive, for looking up; audit runs in the vault restore it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        db.apply_schema(engine, resources.files(__package__).joinpath("fixity.sql").read_text())

    def record(self, events: Iterable[FixityEvent]) -> None:
        rows = [msgspec.to_builtins(event) for event in events]
        if not rows:
            return
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO fixity_event (holding, root, outcome, at, agent, path, detail)"
                    " VALUES (:holding, :root, :outcome, :at, :agent, :path, :detail)"
                ),
                rows,
            )

    def events_of(self, holding: HoldingId) -> tuple[FixityEvent, ...]:
        """Every event of `holding`, newest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT holding, root, outcome, at, agent, path, detail FROM fixity_event"
                    " WHERE holding = :holding ORDER BY number DESC"
                ),
                {"holding": holding},
            )
            return tuple(msgspec.convert(dict(row._mapping), FixityEvent) for row in rows)

    def last_audit_at(self) -> str | None:
        """When the newest check was made; None before the first."""
        with self._engine.connect() as connection:
            found = connection.execute(text("SELECT max(at) FROM fixity_event")).scalar_one()
        return str(found) if found else None

    def counts(self) -> dict[str, int]:
        """Latest outcome → number of (holding, root) pairs."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT outcome, count(*) AS pairs FROM fixity_event WHERE number IN"
                    " (SELECT max(number) FROM fixity_event GROUP BY holding, root)"
                    " GROUP BY outcome"
                )
            )
            return {row.outcome: row.pairs for row in rows}


_LOST = ""
"""In place of the digest of what no root has whole: no bytes have it."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the files of the object at `name` (below a root) must hold: path → digest."""

    holding: HoldingId
    name: str
    digests: dict[str, str]


def _audit_object(roots: Sequence[Root], name: str, now: str, heal: bool) -> Iterator[FixityEvent]:
    try:
        expected = _expected(roots, name)
    except Corrupt as error:
        for root in roots:
            if root.has_object(name):
                yield FixityEvent(
                    holding=HoldingId(name),
                    root=root.name,
                    outcome=Outcome.LOST if heal else Outcome.CORRUPT,
                    at=now,
                    agent=AGENT,
                    path=ocfl.INVENTORY,
                    detail=error.what,
                )
        return
    for root in roots:
        wrong = list(_wrong_files(root, expected))
        if not wrong:
            yield _event(expected, root, now, Outcome.PASS)
        elif not heal:
            for path, outcome in wrong:
                yield _event(expected, root, now, outcome, path=path)
        else:
            yield from _heal(roots, root, expected, wrong, now)


def _expected(roots: Sequence[Root], name: str) -> _Expected:
    """What the newest inventory that verifies in any root asks for.

    Raises Corrupt where none does, or where two contradict each other: which of them is right
    is for a person to say.
    """
    found = []
    for root in roots:
        try:
            inventory, document = root.read_inventory(name)
        except Corrupt:
            continue
        if ocfl.object_path(inventory.id) == name:
            found.append((inventory, document))
    if not found:
        raise Corrupt("no root has an inventory that verifies", where=name)
    inventory, document = max(found, key=lambda candidate: candidate[0].head)
    if not all(inventory.continues(other) for other, _ in found):
        raise Corrupt("the roots hold different histories of it", where=name)
    digests: dict[str, str] = dict(inventory.content_paths())
    for place in ("", f"v{inventory.head}/"):
        digests |= _pair_digests(place, document)
    for number in range(1, inventory.head):
        version = f"v{number}"
        for root in roots:
            with contextlib.suppress(Corrupt):
                older, document = root.read_inventory(name, version)
                if older.head == number and inventory.continues(older):
                    digests |= _pair_digests(f"{version}/", document)
                    break
        else:
            digests[f"{version}/{ocfl.INVENTORY}"] = _LOST
    digests[ocfl.OBJECT_MARKER[0]] = ocfl.digest_of(ocfl.OBJECT_MARKER[1])
    return _Expected(inventory.id, name, digests)


def _pair_digests(place: str, document: bytes) -> dict[str, str]:
    return {
        f"{place}{ocfl.INVENTORY}": ocfl.digest_of(document),
        f"{place}{ocfl.SIDECAR}": ocfl.digest_of(ocfl.sidecar(document)),
    }


def _wrong_files(root: Root, expected: _Expected) -> Iterator[tuple[str, Outcome]]:
    if not root.has_object(expected.name):
        yield "", Outcome.MISSING
        return
    for path, digest in sorted(expected.digests.items()):
        match root.digest(expected.name, path):
            case None:
                yield path, Outcome.MISSING
            case found if found != digest:
                yield path, Outcome.CORRUPT


def _heal(
    roots: Sequence[Root],
    root: Root,
    expected: _Expected,
    wrong: list[tuple[str, Outcome]],
    now: str,
) -> Iterator[FixityEvent]:
    paths = sorted(expected.digests) if wrong[0][0] == "" else [path for path, _ in wrong]
    for path in paths:
        digest = expected.digests[path]
        source = _source(roots, expected, digest)
        if source is None:
            detail = "no root has a copy that verifies"
            yield _event(expected, root, now, Outcome.LOST, path=path, detail=detail)
            continue
        place, name = source
        root.restore_file(expected.name, path, place.blocks(expected.name, name), digest)
        # By the root's name: an event is preserved, and no path of this machine belongs in it.
        detail = f"from root {place.name}: {name}"
        yield _event(expected, root, now, Outcome.HEALED, path=path, detail=detail)


def _source(roots: Sequence[Root], expected: _Expected, digest: str) -> tuple[Root, str] | None:
    """A root and a file of its object, under any name, that has those bytes now."""
    for path, known in expected.digests.items():
        for root in roots:
            if known == digest and root.digest(expected.name, path) == digest:
                return root, path
    return None


def _event(
    expected: _Expected, root: Root, at: str, outcome: Outcome, *, path: str = "", detail: str = ""
) -> FixityEvent:
    return FixityEvent(
        holding=expected.holding,
        root=root.name,
        outcome=outcome,
        at=at,
        agent=AGENT,
        path=path,
        detail=detail,
    )
