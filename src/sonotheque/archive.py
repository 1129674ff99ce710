"""An archive: its rooms on the ground of one directory, opened together.

The rooms of the floor below do not know each other; this is where they meet, and what the
rooms above are handed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType

from sqlalchemy import Engine

from sonotheque.catalogue.catalogue import Catalogue
from sonotheque.config import CONFIG_NAME, Config, read_config, render_config
from sonotheque.config import Root as Described
from sonotheque.errors import BadInput, EnvironmentFailure, Refused
from sonotheque.matching.index import FingerprintIndex
from sonotheque.model.identifiers import HoldingId, RecordingId, holding_id_of
from sonotheque.model.music import Fingerprints, Recording
from sonotheque.model.terms import Decision, Use
from sonotheque.model.territories import EVERYWHERE, Territory, parse_territory
from sonotheque.rights.commitments import Commitments
from sonotheque.rights.cosigning import Cosigner, Witnesses
from sonotheque.rights.decision import decide, decide_all, place_of
from sonotheque.rights.ledger import Ledger
from sonotheque.rights.witness import Witness
from sonotheque.store import db, files, signing
from sonotheque.vault import replicas
from sonotheque.vault.audit import Audit
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import Vault
from sonotheque.vault.roots import Root

FINGERPRINT_NAME = "fingerprint.bin"
LANDMARKS_NAME = "landmarks.bin"
"""Where a recording's holding keeps its fingerprints: how they are made, `Fingerprints` says."""
_WAIT_SECONDS_MAX = 3_600
"""How long a writer waits for the one before it, at most."""
_OWN_NAMES = {
    *("keys", "ledger", "derived", "editions"),
    *(".lock", ".lock-queue", ".lock-audit", ".lock-ledger", ".lock-publishing"),
    *("desk", ".lock-desk", ".lock-tombstones"),
    *(f"sonotheque.db{suffix}" for suffix in ("", "-journal", "-shm", "-wal")),
}


class Archive:
    """An open archive. Reading needs nothing more; writing happens inside `writing()`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.home = _home(config)
        self.database: Engine = db.open_database(config.database, missing_ok=False)

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if "fingerprints" in self.__dict__:
            self.fingerprints.close()
        self.database.dispose()

    @cached_property
    def signer(self) -> signing.Signer:
        return signing.read_key(self.config.keys)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(
            self.database,
            self.config.ledger,
            self.signer,
            newest=self.config.newest_checkpoint,
            witnesses=self.witnesses,
        )

    def rotate_key(self, now: str) -> Path:
        """Go from the signing key to a new one; the note by which the old key names it.

        Stopped anywhere, it goes on when it is done again. The old private key is gone then.
        """
        successor = signing.next_key(self.config.keys, self.signer.verifier.name)
        note = self.ledger.hand_over(successor, now)
        signing.promote(self.config.keys, successor)
        for name in ("signer", "ledger"):
            self.__dict__.pop(name, None)
        return note

    @cached_property
    def commitments(self) -> Commitments:
        return Commitments(self.config.private)

    @property
    def witnesses(self) -> Witnesses:
        """Who is asked to cosign the ledger."""
        key = signing.Kind.COSIGNATURE
        return Witnesses(
            tuple(
                Cosigner(one.url, signing.parse_verifier(one.key, key))
                for one in self.config.witnesses
            )
        )

    @cached_property
    def witness(self) -> Witness | None:
        """This archive as a witness of others' logs; None where archive.toml names none."""
        if not self.config.witnessed:
            return None
        watched = [signing.parse_verifier(log.key) for log in self.config.witnessed]
        signer = signing.witness_key(self.config.keys, self.signer.verifier.name)
        return Witness(self.config.witness_memory, signer, watched)

    @cached_property
    def roots(self) -> tuple[Root, ...]:
        """Every storage root, the primary first."""
        return (self.vault, *self.replicas)

    @cached_property
    def vault(self) -> Vault:
        """The primary root, a directory."""
        primary = self.config.roots[0]
        return Vault(primary.name, Path(primary.where))

    @cached_property
    def replicas(self) -> tuple[Root, ...]:
        return tuple(_root(root) for root in self.config.roots[1:])

    @cached_property
    def fixity(self) -> FixityLog:
        return FixityLog(self.database)

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.database, self.config.derived, self.config.catalogue)

    @cached_property
    def fingerprints(self) -> FingerprintIndex:
        """The index of how every held recording sounds, made again where somebody deleted it:
        an index that is silently empty would let every clone pass."""
        index = FingerprintIndex(self.config.derived / "fingerprints")
        if len(index) == 0:
            for recording in self.catalogue.each():
                if fingerprints := self.read_fingerprints(recording):
                    index.add(recording.id, fingerprints)
        return index

    def read_fingerprints(self, recording: Recording) -> Fingerprints | None:
        """The fingerprints that the recording's holding keeps; None where it keeps none."""
        held = replicas.read_holding(self.roots, holding_id_of(recording.id))
        names = {file.path for file in held.files} if held else set()
        if held is None or FINGERPRINT_NAME not in names:
            return None
        words = replicas.read(self.roots, held.id, FINGERPRINT_NAME)
        # Holdings that were made before there were landmarks have none.
        landmarks = b""
        if LANDMARKS_NAME in names:
            landmarks = replicas.read(self.roots, held.id, LANDMARKS_NAME)
        return Fingerprints(
            chromaprint=words, duration_ms=recording.duration_ms, landmarks=landmarks
        )

    def decide(
        self, recording: RecordingId, use: Use, now: str, territory: Territory | None = None
    ) -> Decision:
        """May it be put to `use`? Where no territory is given: in the institution's country for
        what happens there, everywhere for what is for everybody."""
        if territory is None:
            territory = place_of(use, self.home)
        return decide(self.ledger.statements_about(recording), recording, use, now, territory)

    def decisions(self, recording: RecordingId, now: str) -> tuple[Decision, ...]:
        """The decision for every use, in the order of `Use`."""
        said = self.ledger.statements_about(recording)
        return decide_all(said, recording, now, self.home)

    @contextlib.contextmanager
    def writing(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Be the one writer, after completing what a writer that died left undone.

        Waits in line for whoever is writing, and no longer once `stopped`.
        """
        with contextlib.ExitStack() as stack:
            # An audit that heals takes the lock again and again: it stands at the end of the
            # line each time, and so keeps no deposit waiting for more than one object.
            with files.exclusive(
                self.config.lock_queue, wait_seconds=_WAIT_SECONDS_MAX, stopped=stopped
            ):
                stack.enter_context(
                    files.exclusive(
                        self.config.lock, wait_seconds=_WAIT_SECONDS_MAX, stopped=stopped
                    )
                )
            for root in self.roots:
                root.settle()
            self.ledger.publish()
            yield

    def audit(self, now: Callable[[], str], *, heal: bool = False) -> Audit:
        """An audit of every root, which asks `now` for the time of each check."""
        return Audit(self.roots, self.fixity, locked=self.writing, now=now, heal=heal)

    @contextlib.contextmanager
    def auditing(self) -> Iterator[None]:
        """Be the one who audits everything."""
        with files.exclusive(self.config.audit_lock, busy="it is being audited already"):
            yield

    def preserve_audits(self, audit: Audit) -> list[HoldingId]:
        """Keep the runs that are over as holdings; their identifiers."""
        return audit.preserve(self.vault, self.replicas, self.config.derived)


def _home(config: Config) -> Territory:
    """The institution's country; EVERYWHERE where none is said, which allows least."""
    if not config.territory:
        return EVERYWHERE
    try:
        return parse_territory(config.territory)
    except BadInput as error:
        where = f"{config.directory / CONFIG_NAME}, territory"
        raise BadInput(
            f"{config.territory!r} {error.what}", where=where, remedy=error.remedy
        ) from None


def _root(described: Described) -> Root:
    if described.path is None:
        # What few archives have is loaded where one has it: every command opens an archive.
        from sonotheque.store.objectstore import open_bucket
        from sonotheque.vault.buckets import BucketRoot

        return BucketRoot(described.name, open_bucket(described.url, described.endpoint))
    return Vault(described.name, described.path)


def create(config: Config) -> Archive:
    """Make the archive that `config` describes, and open it.

    Its archive.toml is written last, so an `init` that was cut short can be run again. Raises
    Refused where there is an archive already, BadInput where the directory holds other things.
    """
    directory = config.directory
    if (directory / CONFIG_NAME).exists():
        raise Refused(
            "is an archive already",
            where=str(directory),
            remedy="name another directory, or work with this one by --archive",
        )
    text = render_config(config)
    _home(config)
    leftovers = [*files.leftovers(directory), *files.leftovers(config.keys)]
    known = _OWN_NAMES | {leftover.name for leftover in leftovers}
    for place in (root.path for root in config.roots):
        if place and place.is_relative_to(directory):
            known.update(place.relative_to(directory).parts[:1])
    if directory.exists():
        if not directory.is_dir():
            raise BadInput("is not a directory", where=str(directory), remedy="name a directory")
        strange = sorted({path.name for path in directory.iterdir()} - known)
        if strange:
            raise BadInput(
                f"holds other things ({strange[0]})",
                where=str(directory),
                remedy="name an empty or a new directory",
            )
    for place in (directory, config.derived, config.editions, config.ledger):
        files.make_directory(place)
    for leftover in leftovers:
        leftover.unlink()
    if not (config.keys / signing.PRIVATE_KEY_NAME).exists():
        signing.create_key(config.keys, config.name)
    if not config.database.exists():
        # An empty file is an empty database; opening one never makes it, so that a database
        # that was lost is not taken for an archive with nothing in it.
        files.replace(config.database, b"")
    archive = Archive(config)
    for root in archive.roots:
        root.create()
    archive.ledger.publish()
    files.replace(directory / CONFIG_NAME, text.encode())
    return archive


def open_archive(directory: Path) -> Archive:
    """Open the archive in `directory`. Raises NotFound where there is none, EnvironmentFailure
    where its database is empty or half rebuilt, so that it is not taken for one with nothing in
    it."""
    config = read_config(directory)
    log = config.database.with_name(f"{config.database.name}-wal")
    if config.database_aside.exists():
        what = "a rebuild of the database is under way, or was cut short"
    elif not any(path.exists() and path.stat().st_size for path in (config.database, log)):
        what = "the database is lost or empty"
    else:
        return Archive(config)
    raise EnvironmentFailure(
        what,
        where=str(config.database),
        remedy="run `sonotheque rebuild`, which restores it from the vault",
    )
