"""statements.toml: what a depositor says of the files beside it.

    [[description]]                 # laid over the files' own tags
    files = ["*.ogg"]               # patterns on the path from here; all files if left out
    artist = "Muldjord"

    [[statement]]
    files = ["*.ogg"]
    issuer = "El Senator"           # who says so
    licence = "https://creativecommons.org/licenses/by-sa/3.0/"
    evidence = "readme.txt beside each song"

A depositor's word is a claim: it lets the archive keep the file, and a person must verify it
before anything is shown.
"""

from __future__ import annotations

import fnmatch
import glob
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Description
from sonotheque.model.terms import Basis, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.licences import find_licence
from sonotheque.rights.validity import checked
from sonotheque.store import files

STATEMENTS_NAME = "statements.toml"
_BYTES_MAX = 1_000_000
_CHARACTERS_MAX = 4_000
"""Of one text; the ledger's entries have a bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredStatement:
    """A grant, or with `refuse` a refusal, for the files that `files` match.

    A refusal that names no uses refuses all of them.
    """

    issuer: str
    evidence: str
    files: tuple[str, ...] = ("*",)
    licence: str = ""
    basis: Basis | None = None
    uses: tuple[Use, ...] = ()
    begins_at: date | None = None
    ends_at: date | None = None
    layers: tuple[Layer, ...] = ()
    territories: tuple[str, ...] = ()
    territories_except: tuple[str, ...] = ()
    article: str = ""
    refuse: bool = False

    def about(self, name: str) -> bool:
        return _matches(self.files, name)

    def said_of(self, recording: RecordingId, now: str) -> Statement:
        """The same as a claim about `recording`."""
        licence = find_licence(self.licence) if self.licence else None
        basis = licence.basis if licence else Basis.LICENCE if self.licence else None
        return Statement(
            recording=recording,
            kind=Kind.REFUSAL if self.refuse else Kind.GRANT,
            uses=self.uses or (licence.uses if licence and not self.refuse else tuple(Use)),
            status=Status.CLAIMED,
            issuer=self.issuer,
            evidence=self.evidence,
            at=now,
            basis=self.basis or basis,
            licence=(licence.url or licence.identifier) if licence else self.licence,
            begins_at=self.begins_at.isoformat() if self.begins_at else "",
            ends_at=self.ends_at.isoformat() if self.ends_at else "",
            layers=self.layers,
            territories=tuple(Territory(country) for country in self.territories)
            or (licence.territories if licence and not self.refuse else ()),
            territories_except=tuple(Territory(country) for country in self.territories_except),
            article=self.article,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredDescription:
    """What to say of the files that `files` match, where it differs from their tags."""

    files: tuple[str, ...] = ("*",)
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    label: str | None = None
    year: int | None = None
    genre: str | None = None
    generated: bool | None = None

    def about(self, name: str) -> bool:
        return _matches(self.files, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Everything a depositor says."""

    statement: tuple[DeclaredStatement, ...] = ()
    description: tuple[DeclaredDescription, ...] = ()

    def joined(self, other: Declaration) -> Declaration:
        return Declaration(
            statement=(*self.statement, *other.statement),
            description=(*self.description, *other.description),
        )

    def below(self, directory: str) -> Declaration:
        """The same, said in the directory `directory` of the delivery, about what is there."""
        prefix = f"{glob.escape(directory)}/" if directory != "." else ""
        return Declaration(
            statement=tuple(
                replace(declared, files=tuple(prefix + pattern for pattern in declared.files))
                for declared in self.statement
            ),
            description=tuple(
                replace(declared, files=tuple(prefix + pattern for pattern in declared.files))
                for declared in self.description
            ),
        )

    def idle(self, names: Sequence[str]) -> tuple[str, ...]:
        """The patterns of every table that is about none of the files `names`."""
        tables: tuple[DeclaredStatement | DeclaredDescription, ...]
        tables = (*self.statement, *self.description)
        return tuple(
            ", ".join(declared.files)
            for declared in tables
            if not any(declared.about(name) for name in names)
        )

    def described(self, name: str, description: Description) -> Description:
        """`description` with what the depositor says of the file `name` laid over it."""
        for declared in self.description:
            if declared.about(name):
                said: dict[str, Any] = {
                    field.name: value
                    for field in fields(declared)
                    if field.name != "files"
                    and (value := getattr(declared, field.name)) is not None
                }
                description = replace(description, **said)
        return description


def read_declaration(path: Path) -> Declaration:
    """Read a statements.toml. Raises BadInput with the place where it cannot be understood."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise BadInput(
                f"has over {_BYTES_MAX:,} bytes", where=str(path), remedy="say it in fewer words"
            )
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        declaration = msgspec.convert(document, Declaration, strict=True)
    except OSError as error:
        raise files.explain(error, path) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadInput(
            f"cannot be understood ({error})",
            where=str(path),
            remedy="see `statements.toml` in the handbook; dates are written 2026-01-31",
        ) from error
    _check_names(document, path)
    statements = tuple(_checked(declared, path) for declared in declaration.statement)
    return replace(declaration, statement=statements)


def _checked(declared: DeclaredStatement, path: Path) -> DeclaredStatement:
    where = f"{path}, the statement of {declared.issuer!r}"
    texts = (declared.issuer, declared.evidence, declared.licence, declared.article)
    if max(map(len, texts)) > _CHARACTERS_MAX:
        raise BadInput(
            f"has a text of over {_CHARACTERS_MAX:,} characters",
            where=f"{path}, the statement of {declared.issuer[:40]!r}",
            remedy="shorten it, and name the document that says it in full",
        )
    if not declared.refuse and not declared.uses and not find_licence(declared.licence):
        raise BadInput(
            "names neither a known public licence nor any uses",
            where=where,
            remedy="give a Creative Commons URL or an SPDX identifier as licence, or list uses",
        )
    said = checked(declared.said_of(RecordingId(""), ""), where)
    return replace(
        declared, territories=said.territories, territories_except=said.territories_except
    )


def _check_names(document: dict[str, Any], path: Path) -> None:
    """A misspelt name would be silently without effect, so it is an error."""
    known = {"statement": DeclaredStatement, "description": DeclaredDescription}
    unknown = sorted(set(document) - set(known))
    for table, type_ in known.items():
        names = {field.name for field in fields(type_)}
        for entry in document.get(table, []):
            unknown += sorted(f"{table}.{name}" for name in set(entry) - names)
    if unknown:
        raise BadInput(
            f"has an unknown name {unknown[0]!r}",
            where=str(path),
            remedy="see `statements.toml` in the handbook for the names it may use",
        )


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
