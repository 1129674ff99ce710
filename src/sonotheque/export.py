"""Export: a holding as a bag (BagIt 1.0, RFC 8493) that another archive can take in.

One bag a holding, because a holding is what is sent, refused, sent again and kept on its own. An
export is an act of preservation by the archive's own operator, and no publication: a refusal of
keeping stops it, nothing else does. What may be done with the recording goes along, as a
statements.toml that the next sonotheque reads as claims, and as the ledger's own entries.

    data/audio/…              the audio as it came (of an object of another kind: all its files)
    data/statements.toml      what it is, and who allows or refuses what
    metadata/holding/…        every other file of the holding
    metadata/inventory.json   its OCFL inventory: versions and digests
    metadata/statements.json  the ledger's entries, metadata/decisions.json what follows from them
    metadata/premis.xml       its fixity events
    metadata/adoption/…       where it was adopted from, if it was
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sonotheque.archive import Archive
from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, NotFound, Refused, one_line
from sonotheque.model.holdings import HeldFile, Holding
from sonotheque.model.identifiers import (
    HoldingId,
    RecordingId,
    Sha512,
    adoption_id_of,
    format_isrc,
    recording_of,
)
from sonotheque.model.music import Recording
from sonotheque.model.terms import KEEPING, Answer, Basis, Decision, Kind, Statement, Use
from sonotheque.rights.decision import standing, without_clocks
from sonotheque.rights.periods import NOT_YET
from sonotheque.store import files
from sonotheque.toml import toml_string
from sonotheque.vault import ocfl, premis
from sonotheque.vault.objects import AGENT
from sonotheque.vault.replicas import read_holding

BAG = "bag"
_CHARACTERS_MAX = 4_000
"""Of a text in a statements.toml."""
_DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBag:
    """A bag to be written. `recording` is None for a holding of another kind."""

    holding: Holding
    directory: Path
    recording: Recording | None
    statements: tuple[Statement, ...]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A bag that was written, and read back from the disk."""

    holding: HoldingId
    recording: RecordingId | None
    version: int
    directory: Path
    payload_files: int
    payload_bytes: int


def plan_export(
    archive: Archive, which: Sequence[HoldingId], to: Path, now: str
) -> tuple[PlannedBag, ...]:
    """A bag in the directory `to` for each of the holdings `which`. Nothing is written.

    Raises NotFound where one is not held, Refused where keeping it is refused or there is a bag
    of its name already, BadInput where `to` is a part of this archive.
    """
    own = [archive.config.directory, *(r.path for r in archive.config.roots if r.path is not None)]
    if any(to.resolve().is_relative_to(place.resolve()) for place in own):
        raise BadInput("is a part of this archive", where=str(to), remedy="name a place outside it")
    return tuple(_plan(archive, id_, to, now) for id_ in dict.fromkeys(which))


def _plan(archive: Archive, id_: HoldingId, to: Path, now: str) -> PlannedBag:
    holding = read_holding(archive.roots, id_)
    if holding is None:
        raise NotFound(
            "is not held", where=id_, remedy="check the identifier with `sonotheque find`"
        )
    key = recording_of(id_)
    # The layout's own name of an object is one that every disk takes, and no two have.
    directory = to / (key or ocfl.object_path(id_).rpartition("/")[2])
    if directory.exists() or directory.is_symlink():
        raise Refused(
            "is there already",
            where=str(directory),
            remedy="take it away, or name another directory with --to",
        )
    decisions = archive.decisions(key, now) if key else ()
    for decision in decisions:
        if decision.use is Use.PRESERVE and decision.answer is Answer.REFUSED:
            reasons = "; ".join(reason.message for reason in decision.reasons)
            raise Refused(
                f"may not be kept, and so not be handed on: {reasons}",
                where=id_,
                remedy="whoever refused it can revoke that: `sonotheque rights show`",
            )
    return PlannedBag(
        holding=holding,
        directory=directory,
        recording=archive.catalogue.get(key) if key else None,
        statements=tuple(archive.ledger.statements_about(key)) if key else (),
        decisions=decisions,
    )


def execute(archive: Archive, plan: Sequence[PlannedBag], now: str) -> Iterator[Exported]:
    """Write the bags of `plan`, each whole or not at all.

    Raises Corrupt where a file of a holding verifies in no root or reads back wrong.
    """
    for planned in plan:
        files.make_directory(planned.directory.parent)
        for leftover in files.leftovers(planned.directory.parent):
            if leftover.name.startswith(f".{planned.directory.name}."):
                files.remove_tree(leftover)
        stage = planned.directory.with_name(f".{planned.directory.name}.{secrets.token_hex(8)}.tmp")
        try:
            exported = _Writing(archive, planned, stage, now).write()
            files.move(stage, planned.directory)
        except BaseException:
            files.remove_tree(stage)
            raise
        yield exported


@dataclass(slots=True)
class _Writing:
    """One bag on its way to the disk. `payload` and `tags` map paths in it to digests and sizes."""

    archive: Archive
    planned: PlannedBag
    stage: Path
    now: str
    payload: dict[str, tuple[Sha512, int]] = field(default_factory=dict)
    tags: dict[str, tuple[Sha512, int]] = field(default_factory=dict)

    def write(self) -> Exported:
        """Write all of it, sync it, and read it back."""
        planned, holding = self.planned, self.planned.holding
        (self.stage / "data").mkdir(parents=True)
        key = recording_of(holding.id)
        for file in holding.files:
            if key is None or file in holding.audio:
                self._copy(holding.id, file, f"data/{file.path}", self.payload)
            else:
                self._copy(holding.id, file, f"metadata/holding/{file.path}", self.tags)
        if key:
            declared = statements_toml(planned, self.archive.config.name, self.now)
            self._put("data/statements.toml", declared.encode(), self.payload)
            self._put("metadata/statements.json", _json(planned.statements), self.tags)
            self._put("metadata/decisions.json", _json(planned.decisions), self.tags)
        self._put("metadata/inventory.json", self._inventory(), self.tags)
        self._put_events()
        if record := read_holding(self.archive.roots, adoption_id_of(holding.id)):
            for file in record.files:
                self._copy(record.id, file, f"metadata/adoption/{file.path}", self.tags)
        self._put("bagit.txt", _DECLARATION, self.tags)
        self._put("bag-info.txt", self._info().encode(), self.tags)
        self._put("manifest-sha512.txt", _manifest(self.payload), self.tags)
        self._put("tagmanifest-sha512.txt", _manifest(self.tags), {})
        files.sync_tree(self.stage)
        self._read_back()
        return Exported(
            holding=holding.id,
            recording=key,
            version=holding.version,
            directory=planned.directory,
            payload_files=len(self.payload),
            payload_bytes=sum(size for _, size in self.payload.values()),
        )

    def _put(self, name: str, content: bytes, listed: dict[str, tuple[Sha512, int]]) -> None:
        target = self.stage / name
        target.parent.mkdir(parents=True, exist_ok=True)
        files.create(target, content)
        listed[name] = (ocfl.digest_of(content), len(content))

    def _copy(
        self, id_: HoldingId, file: HeldFile, name: str, listed: dict[str, tuple[Sha512, int]]
    ) -> None:
        """Copy a file of a holding from the first root in which it verifies."""
        target = self.stage / name
        target.parent.mkdir(parents=True, exist_ok=True)
        for root in self.archive.roots:
            try:
                place = root.place(id_, file.path)
                written = files.write(target, place.blocks())
            except Refused:
                written = ""  # this root has not what the others have, or it is damaged
            except EnvironmentFailure:
                if root.present:
                    raise
                written = ""
            if written == file.sha512:
                listed[name] = (file.sha512, target.stat().st_size)
                return
            target.unlink(missing_ok=True)
        raise Corrupt(
            f"{file.path} verifies in no storage root",
            where=id_,
            remedy="run `sonotheque audit --heal`; what is lost, somebody may still deposit",
        )

    def _inventory(self) -> bytes:
        name = ocfl.object_path(self.planned.holding.id)
        for root in self.archive.roots:
            try:
                inventory, document = root.read_inventory(name)
            except (Refused, EnvironmentFailure):
                continue
            if inventory.head == self.planned.holding.version:
                return document
        raise Corrupt(
            "its inventory verifies in no storage root",
            where=self.planned.holding.id,
            remedy="run `sonotheque audit --heal`",
        )

    def _put_events(self) -> None:
        id_ = self.planned.holding.id
        if events := self.archive.fixity.events_of(id_):
            written = io.BytesIO()
            premis.write_xml(id_, reversed(events), written)
            self._put("metadata/premis.xml", written.getvalue(), self.tags)

    def _info(self) -> str:
        config, holding, recording = (
            self.archive.config,
            self.planned.holding,
            self.planned.recording,
        )
        sizes = [size for _, size in self.payload.values()]
        labels = [("Source-Organization", config.name)]
        if config.contact:
            at_sign = "@" in config.contact and " " not in config.contact
            labels.append(("Contact-Email" if at_sign else "Contact-Name", config.contact))
        labels.append(("External-Identifier", holding.id))
        if recording:
            said = recording.description
            labels += [("External-Identifier", f"ISRC {format_isrc(i)}") for i in said.isrcs]
            title = " — ".join(part for part in (said.artist, said.title) if part)
            labels.append(("External-Description", title))
        labels += [
            ("Internal-Sender-Description", f"version {holding.version} of {holding.created_at}"),
            ("Bagging-Date", self.now[:10]),
            ("Bag-Software-Agent", AGENT),
            ("Payload-Oxum", f"{sum(sizes)}.{len(sizes)}"),
        ]
        labels += [("Rights", f"{one.use}: {one.answer}") for one in self.planned.decisions]
        return "".join(f"{label}: {one_line(value)}\n" for label, value in labels)

    def _read_back(self) -> None:
        for name, (digest, _) in (*self.payload.items(), *self.tags.items()):
            actual = hashlib.sha512()
            for block in files.fresh_blocks(str(self.stage / name)):
                actual.update(block)
            if actual.hexdigest() != digest:
                raise Corrupt(
                    "reads back different from what was written",
                    where=str(self.stage / name),
                    remedy="check that disk, and export to another",
                )


def statements_toml(planned: PlannedBag, archive_name: str, now: str) -> str:
    """What is said of the planned recording, as a statements.toml that a deposit reads: all of
    it a claim there. Every statement names its entry in this archive's ledger."""
    lines = [f"# Written by {one_line(archive_name)} on {now[:10]}, from its catalogue and ledger."]
    if planned.recording:
        said = planned.recording.description
        lines += ["", "[[description]]"]
        for name in ("title", "artist", "album", "label", "genre"):
            if value := getattr(said, name):
                lines.append(f"{name} = {toml_string(value)}")
        lines += [f"year = {said.year}"] if said.year else []
        lines += ["generated = true"] if said.generated else []
    # Who takes the bag in has no clock to read: grants that wait for one go as what they are now,
    # with their day and their countries; those of which no day is known stay here.
    for statement in without_clocks(standing(planned.statements, now), now):
        if statement.begins_at != NOT_YET:
            lines += _declared(statement, archive_name)
    return "\n".join(lines) + "\n"


def _declared(statement: Statement, archive_name: str) -> list[str]:
    source = f"entry {statement.id} of the ledger of {archive_name}, {statement.status}"
    evidence = f"{source}: {statement.evidence}"[:_CHARACTERS_MAX]
    refuses = statement.kind is not Kind.GRANT
    uses = statement.uses
    if statement.kind is Kind.TAKEDOWN:
        uses = tuple(use for use in Use if use not in KEEPING or use in statement.uses)
    lines = [
        "",
        "[[statement]]",
        f"issuer = {toml_string(statement.issuer)}",
        f"evidence = {toml_string(evidence)}",
        f"uses = [{', '.join(toml_string(use) for use in uses)}]",
    ]
    if refuses:
        lines.append("refuse = true")
    else:
        basis = statement.basis or Basis.LICENCE
        lines.append(f"basis = {toml_string(basis)}")
        lines += [f"licence = {toml_string(statement.licence)}"] if statement.licence else []
        lines += [f"article = {toml_string(statement.article)}"] if statement.article else []
    for name in ("layers", "territories", "territories_except"):
        if values := getattr(statement, name):
            lines.append(f"{name} = [{', '.join(toml_string(value) for value in values)}]")
    lines += [f"begins_at = {statement.begins_at[:10]}"] if statement.begins_at else []
    lines += [f"ends_at = {statement.ends_at[:10]}"] if statement.ends_at else []
    return lines


def _manifest(listed: dict[str, tuple[Sha512, int]]) -> bytes:
    return "".join(
        f"{digest}  {_escaped(name)}\n" for name, (digest, _) in sorted(listed.items())
    ).encode()


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
