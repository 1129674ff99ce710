"""`archive.toml`: what an archive is called, why it may exist, and where it keeps things."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sonotheque.errors import BadInput, NotFound
from sonotheque.quantities import parse_rate, parse_span
from sonotheque.toml import quantity_of, table_of, tables_of, text_of, toml_string

CONFIG_NAME = "archive.toml"
_SPAN_SECONDS_MAX = 100 * 366 * 86_400
_BUCKET = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]+(?:/[^/\x00-\x1f\x7f]+)*")

_WEB = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(?:/[A-Za-z0-9._~%-]+)*")
_KEY = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")


@dataclass(frozen=True, slots=True)
class Root:
    """A storage root: one whole copy of the vault, in the directory `path` or, where that is
    None, in the bucket behind `url` (s3://bucket/prefix) at `endpoint`.

    `location` names where this copy stands, `threat` what could take it away, `medium` what it
    is kept on. Credentials are no setting: they are in the environment. `audit_within` ("30d")
    is how lately a copy must have been found whole for an audit to leave it out, `audit_rate`
    ("50MB/s") how fast an audit may read.
    """

    name: str
    path: Path | None = None
    url: str = ""
    endpoint: str = ""
    location: str = ""
    threat: str = ""
    medium: str = ""
    audit_within: str = ""
    audit_rate: str = ""

    @property
    def where(self) -> str:
        return self.url if self.path is None else str(self.path)


@dataclass(frozen=True, slots=True)
class Attestation:
    """A named person's word, given `on` a day (ISO 8601), that a `criterion` of a preservation
    profile is met: what no program can see."""

    criterion: str
    by: str
    on: str
    statement: str


@dataclass(frozen=True, slots=True)
class Witness:
    """Who is asked to cosign this archive's ledger: at `url` (what comes before
    /add-checkpoint), by its `key` (a C2SP verifier key for cosignatures)."""

    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A log of others that this archive cosigns, by its `key` (a C2SP verifier key)."""

    key: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one reader may take from the reading room in a day, what one file may cost to inspect,
    and what a build of the catalogue may hold in its engine."""

    reader_bytes_per_day: int = 2_000_000_000
    reader_recordings_per_day: int = 200
    file_bytes_max: int = 8_000_000_000
    tag_bytes_max: int = 16_000_000
    inspection_seconds_max: int = 600
    inspection_memory_bytes_max: int = 2_000_000_000
    catalogue_memory_bytes_max: int = 4_000_000_000


@dataclass(frozen=True, slots=True)
class DeskPolicy:
    """How the desk works: whom it tells (`notify`: "mailbox:PATH" or a web address, empty for
    nobody), within what span ("14d") a case is decided and a decision can be appealed."""

    notify: str = ""
    decide_within: str = "14d"
    appeal_within: str = "183d"


@dataclass(frozen=True, slots=True)
class Config:
    """One archive's settings, with the places DESIGN gives its parts.

    `embedded_licences` is the archive's policy on a public licence that the file's own tags
    carry: "verified" takes it as the rights holder's word, "claimed" waits for a person.
    `territory` is the institution's country (ISO 3166-1; an archive that is opened checks it),
    under whose law its own premises are.
    """

    directory: Path
    name: str
    mandate: str
    contact: str = ""
    roots: tuple[Root, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    witnessed: tuple[Witnessed, ...] = ()
    embedded_licences: str = "verified"
    territory: str = ""
    limits: Limits = field(default_factory=Limits)
    desk: DeskPolicy = field(default_factory=DeskPolicy)

    @property
    def database(self) -> Path:
        return self.directory / "sonotheque.db"

    @property
    def database_aside(self) -> Path:
        """The old database while it is being rebuilt."""
        return self.directory / "sonotheque.db.before-rebuild"

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger"

    @property
    def private(self) -> Path:
        """Names and evidence that the ledger holds only commitments to; part of no mirror."""
        return self.directory / "private"

    @property
    def witness_memory(self) -> Path:
        """What this archive has cosigned for others. It must not come back from an older copy."""
        return self.directory / "witnessed"

    @property
    def keys(self) -> Path:
        return self.directory / "keys"

    @property
    def newest_checkpoint(self) -> Path:
        """What was signed last. It stands beside the key, so that a ledger which comes back from
        an older copy does not bring it along."""
        return self.keys / "newest-checkpoint"

    @property
    def catalogue(self) -> Path:
        return self.directory / "catalogue"

    @property
    def editions(self) -> Path:
        return self.directory / "editions"

    @property
    def derived(self) -> Path:
        return self.directory / "derived"

    @property
    def lock(self) -> Path:
        return self.directory / ".lock"

    @property
    def lock_queue(self) -> Path:
        """Held while waiting for the lock, so that who comes first is let in first."""
        return self.directory / ".lock-queue"

    @property
    def audit_lock(self) -> Path:
        """Its own, so that an audit of everything keeps nobody from writing."""
        return self.directory / ".lock-audit"

    @property
    def desk_directory(self) -> Path:
        return self.directory / "desk"

    @property
    def desk_lock(self) -> Path:
        return self.directory / ".lock-desk"

    @property
    def tombstones_lock(self) -> Path:
        """Its own, so that a takedown reaches the mirrors while an edition is built."""
        return self.directory / ".lock-tombstones"

    @property
    def publishing_lock(self) -> Path:
        """Its own, so that a takedown need not wait for an edition to be built."""
        return self.directory / ".lock-publishing"


def read_config(directory: Path) -> Config:
    """Read `directory`/archive.toml.

    Raises NotFound where there is no archive, BadInput where the file cannot be understood.
    """
    path = directory / CONFIG_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            "no archive here",
            where=str(directory),
            remedy="make one with `sonotheque init DIR --name NAME --mandate TEXT`, "
            "or name one with --archive DIR",
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput("is not UTF-8 text", where=str(path), remedy="save it as UTF-8") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(
            f"is not valid TOML ({error})", where=str(path), remedy="correct that line"
        ) from error
    return _config_from(document, directory, path)


def render_config(config: Config) -> str:
    """`config` as the text of an archive.toml that `read_config` reads back as equal.

    Raises BadInput for what no archive.toml can say.
    """
    lines = [
        "[archive]",
        f"name = {toml_string(config.name)}",
        f"mandate = {toml_string(config.mandate)}",
        f"contact = {toml_string(config.contact)}",
        "",
        "[rights]",
        "# A public licence in a file's own tags: \"verified\" (taken as its holder's word)",
        '# or "claimed" (a person checks it before anything is shown).',
        f"embedded_licences = {toml_string(config.embedded_licences)}",
        "# The institution's country (ISO 3166-1), for what happens in its own house.",
        f"territory = {toml_string(config.territory)}",
        "",
        "[desk]",
        '# Whom to tell of every step of a case: "mailbox:PATH" or "https://…".',
        f"notify = {toml_string(config.desk.notify)}",
        f"decide_within = {toml_string(config.desk.decide_within)}",
        f"appeal_within = {toml_string(config.desk.appeal_within)}",
        "",
        "[limits]",
    ]
    defaults = Limits()
    for name in Limits.__dataclass_fields__:
        value = getattr(config.limits, name)
        mark = "" if value != getattr(defaults, name) else "# "
        lines.append(f"{mark}{name} = {value}")
    for root in config.roots:
        lines += [
            "",
            "[[root]]",
            f"name = {toml_string(root.name)}",
            *_place_lines(root, config.directory),
            f"location = {toml_string(root.location)}",
            f"threat = {toml_string(root.threat)}",
            f"medium = {toml_string(root.medium)}",
        ]
        lines += [
            f"{name} = {toml_string(value)}"
            for name in ("audit_within", "audit_rate")
            if (value := getattr(root, name))
        ]
    lines += _listed_lines(config)
    text = "\n".join(lines) + "\n"
    path = config.directory / CONFIG_NAME
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            "would hold a name or a path that is not UTF-8",
            where=str(path),
            remedy="choose another name or path",
        ) from error
    _config_from(tomllib.loads(text), config.directory, path)
    return text


def _listed_lines(config: Config) -> Iterator[str]:
    for one in config.attestations:
        yield from ("", "[[attestation]]", f"criterion = {toml_string(one.criterion)}")
        yield f"by = {toml_string(one.by)}"
        yield f"on = {one.on}"
        yield f"statement = {toml_string(one.statement)}"
    for witness in config.witnesses:
        yield from ("", "[[witness]]", f"url = {toml_string(witness.url)}")
        yield f"key = {toml_string(witness.key)}"
    for log in config.witnessed:
        yield from ("", "[[witnessed]]", f"key = {toml_string(log.key)}")


def _config_from(document: dict[str, Any], directory: Path, path: Path) -> Config:
    archive = table_of(document, "archive", path)
    rights = table_of(document, "rights", path)
    limits = table_of(document, "limits", path)
    policy = text_of(rights, "embedded_licences", path, default="verified")
    if policy not in ("verified", "claimed"):
        raise BadInput(
            f"embedded_licences is {policy!r}",
            where=str(path),
            remedy='write "verified" or "claimed"',
        )
    unknown = sorted(set(limits) - set(Limits.__dataclass_fields__))
    if unknown:
        raise BadInput(
            f"unknown limit {unknown[0]!r}",
            where=str(path),
            remedy=f"use one of {', '.join(Limits.__dataclass_fields__)}",
        )
    for name, value in limits.items():
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise BadInput(
                f"limit {name} is {value!r}", where=str(path), remedy="write a whole number over 0"
            )
    config = Config(
        directory=directory,
        name=text_of(archive, "name", path),
        mandate=text_of(archive, "mandate", path),
        contact=text_of(archive, "contact", path, default=""),
        roots=tuple(
            _root_from(root, directory, path) for root in tables_of(document, "root", path)
        ),
        attestations=tuple(
            _attestation_from(one, path) for one in tables_of(document, "attestation", path)
        ),
        witnesses=tuple(_witness_from(one, path) for one in tables_of(document, "witness", path)),
        witnessed=tuple(
            Witnessed(key=_key_from(one, "witnessed", ("key",), path))
            for one in tables_of(document, "witnessed", path)
        ),
        embedded_licences=policy,
        territory=text_of(rights, "territory", path, default=""),
        limits=Limits(**limits),
        desk=_desk_from(table_of(document, "desk", path), path),
    )
    _check_roots(config.roots, path)
    return config


def _desk_from(table: dict[str, Any], path: Path) -> DeskPolicy:
    unknown = sorted(set(table) - set(DeskPolicy.__dataclass_fields__))
    if unknown:
        raise BadInput(
            f"unknown setting {unknown[0]!r} of the desk",
            where=str(path),
            remedy=f"use {', '.join(DeskPolicy.__dataclass_fields__)}",
        )
    spans = {
        name: written
        for name in ("decide_within", "appeal_within")
        if (written := quantity_of(table, name, path, parse_span))
    }
    for name, written in spans.items():
        if parse_span(written) > _SPAN_SECONDS_MAX:
            raise BadInput(
                f"{name} {written!r} is over a hundred years", where=str(path), remedy="shorten it"
            )
    return DeskPolicy(notify=text_of(table, "notify", path, default=""), **spans)


def _root_from(table: dict[str, Any], directory: Path, path: Path) -> Root:
    unknown = sorted(set(table) - set(Root.__dataclass_fields__))
    if unknown:
        raise BadInput(
            f"unknown setting {unknown[0]!r} of a root",
            where=str(path),
            remedy=f"use one of {', '.join(Root.__dataclass_fields__)};"
            " credentials belong in the environment",
        )
    if ("path" in table) == ("url" in table):
        raise BadInput(
            "a root wants a path or a url, and only one of them",
            where=str(path),
            remedy='write path = "…" for a directory, url = "s3://bucket/prefix" for a bucket',
        )
    root = Root(
        name=text_of(table, "name", path),
        path=directory / text_of(table, "path", path) if "path" in table else None,
        url=text_of(table, "url", path).rstrip("/") if "url" in table else "",
        audit_within=quantity_of(table, "audit_within", path, parse_span),
        audit_rate=quantity_of(table, "audit_rate", path, parse_rate),
        **{
            name: text_of(table, name, path, default="")
            for name in ("endpoint", "location", "threat", "medium")
        },
    )
    if root.url and not _BUCKET.fullmatch(root.url):
        raise BadInput(
            f"{root.url!r} is no address of a bucket",
            where=str(path),
            remedy="write s3://bucket/prefix; credentials belong in the environment",
        )
    return root


def _attestation_from(table: dict[str, Any], path: Path) -> Attestation:
    unknown = sorted(set(table) - set(Attestation.__dataclass_fields__))
    if unknown:
        raise BadInput(
            f"unknown setting {unknown[0]!r} of an attestation",
            where=str(path),
            remedy=f"use {', '.join(Attestation.__dataclass_fields__)}",
        )
    day = table.get("on")
    # A TOML date-time is a date to Python, and says more than was asked.
    if type(day) is not date:
        raise BadInput(
            "an attestation has no day", where=str(path), remedy="write on = 2026-01-31, unquoted"
        )
    return Attestation(
        on=day.isoformat(),
        **{name: text_of(table, name, path) for name in ("criterion", "by", "statement")},
    )


def _witness_from(table: dict[str, Any], path: Path) -> Witness:
    key = _key_from(table, "witness", ("url", "key"), path)
    url = text_of(table, "url", path).rstrip("/")
    if not _WEB.fullmatch(url):
        raise BadInput(
            f"{url!r} is no address of a witness",
            where=str(path),
            remedy='write url = "https://…", what comes before /add-checkpoint',
        )
    return Witness(url=url, key=key)


def _key_from(table: dict[str, Any], name: str, known: tuple[str, ...], path: Path) -> str:
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise BadInput(
            f"unknown setting {unknown[0]!r} of a {name}",
            where=str(path),
            remedy=f"use {', '.join(known)}",
        )
    key = text_of(table, "key", path)
    if not _KEY.fullmatch(key):
        raise BadInput(
            f"{key[:60]!r} is no public key", where=str(path), remedy='write key = "NAME+HASH+KEY"'
        )
    return key


def _check_roots(roots: tuple[Root, ...], path: Path) -> None:
    if not roots:
        raise BadInput("names no storage root", where=str(path), remedy="add a [[root]] table")
    if roots[0].path is None:
        raise BadInput(
            "the first root, the primary, is a bucket",
            where=str(path),
            remedy="put a root with a path first: deposits are made in a directory",
        )
    names = [root.name for root in roots]
    if len(set(names)) != len(names):
        raise BadInput("two roots share a name", where=str(path), remedy="rename one of them")
    places = [Path(root.path.absolute()) for root in roots if root.path]
    # Prefixes of one bucket lie in each other as directories do.
    places += [Path(f"//{root.endpoint}//{root.url}") for root in roots if root.url]
    if any(one.is_relative_to(other) for one, other in itertools.permutations(places, 2)):
        raise BadInput(
            "two roots stand in one place",
            where=str(path),
            remedy="give each a directory of its own, best on a disk of its own",
        )


def _place_lines(root: Root, directory: Path) -> Iterator[str]:
    if root.path is None:
        yield f"url = {toml_string(root.url)}"
        yield f"endpoint = {toml_string(root.endpoint)}"
    else:
        yield f"path = {toml_string(_relative(root.path, directory))}"


def _relative(path: Path, directory: Path) -> str:
    inside = path.is_relative_to(directory)
    return str(path.relative_to(directory) if inside else path.absolute())
