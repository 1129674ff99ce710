"""What a file is worth to the archive: its description, the statements about it, the findings.

Pure: everything is worked out from an `Inspection` and what the depositor declared of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonotheque.deposit.inspection import TAG_CHARACTERS_MAX, Inspection
from sonotheque.deposit.package import PackageFile, Told
from sonotheque.errors import BadInput
from sonotheque.matching.grouping import conflicts
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.folding import fold
from sonotheque.model.identifiers import Isrc, RecordingId, format_isrc, look_alike, parse_isrc
from sonotheque.model.music import AudioProperties, Description
from sonotheque.model.terms import Kind, Layer, Statement, Status
from sonotheque.rights.licences import Licence, find_licence

# Tag names under which a file may carry its licence, in the order in which they are believed.
LICENCE_TAGS = ("license", "licence", "license_url", "wcop", "copyright", "tcop", "comment")
BY_POLICY = "; taken as the holder's word by the archive's policy"
"""What the evidence of a licence in the tags ends in where nobody but the policy verified it."""
# Tags that say who is heard, and who made what is heard.
_PLAYER_TAGS = ("artist", "albumartist", "album_artist")
_AUTHOR_TAGS = ("composer", "tcom", "lyricist", "text", "writer", "songwriter")
TRUNCATED_MS_MIN = 1_500
"""Headers round, and encoders pad: less missing than this says nothing."""
# Suffixes by container, the usual one first.
_SUFFIXES = {
    "flac": (".flac", ".fla", ".oga"),
    "wav": (".wav", ".wave", ".bwf", ".rf64", ".w64"),
    "aiff": (".aiff", ".aif", ".aifc"),
    "mp3": (".mp3", ".mp2"),
    "ogg": (".ogg", ".oga", ".opus", ".spx", ".flac"),
    "mp4": (".m4a", ".mp4", ".m4b", ".aac", ".alac", ".mov", ".3gp"),
    "wv": (".wv",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """`statements` are about no recording yet: their `recording` is filled in by the plan."""

    description: Description
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]

    @property
    def acceptable(self) -> bool:
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


def appraise(
    file: PackageFile,
    inspection: Inspection,
    *,
    embedded_licences: Status,
    tag_bytes_max: int,
    now: str,
) -> Appraisal:
    """Describe `file` and collect what is wrong with it and who says what about it.

    `embedded_licences` is the status that the archive's policy gives to a public licence in a
    file's own tags. One in a comment is a claim whatever the policy: it may be about a sample.
    So is a label that anybody can put on, such as the Public Domain Mark.
    """
    findings = [*file.findings, *_sound_findings(file, inspection)]
    description, described = _describe(file, inspection.tags)
    findings += _told_findings(file, inspection.audio)
    if inspection.audio is None:
        return Appraisal(description=description, statements=(), findings=tuple(findings))
    findings += described
    if inspection.tag_bytes > tag_bytes_max:
        findings.append(
            _finding(
                file,
                "tags.too-large",
                Severity.ERROR,
                f"has {inspection.tag_bytes:,} bytes of text in its tags",
                "take out the tags that are no tags, or raise tag_bytes_max in archive.toml",
            )
        )
    elif inspection.cut_tags:
        findings.append(
            _finding(
                file,
                "tags.too-long",
                Severity.WARNING,
                f"its tags {', '.join(inspection.cut_tags)} are longer than"
                f" {TAG_CHARACTERS_MAX} characters; the catalogue keeps their beginning",
                "nothing to do: the file itself is kept whole",
            )
        )
    licence, tag, licence_findings = _embedded_licence(file, inspection.tags)
    findings += licence_findings
    statements = []
    if licence:
        sure = tag != "comment" and licence.is_of_holder
        status = embedded_licences if sure else Status.CLAIMED
        layers, layer_findings = _layers(file, inspection.tags)
        findings += layer_findings
        said = _of_licence(file, licence, description, status, now)
        statements.append(replace(said, layers=layers))
    statements += _declared(file, now)
    return Appraisal(
        description=description, statements=tuple(statements), findings=tuple(findings)
    )


def _sound_findings(file: PackageFile, inspection: Inspection) -> list[Finding]:
    if file.byte_count == 0:
        return [
            _finding(
                file,
                "audio.empty",
                Severity.ERROR,
                "has no bytes in it",
                "copy it again from where it came from",
            )
        ]
    audio = inspection.audio
    if audio is None:
        return [
            _finding(
                file, "audio.unreadable", Severity.ERROR, inspection.problem, inspection.remedy
            )
        ]
    findings = []
    suffix = file.path.suffix.lower()
    if audio.container in _SUFFIXES and suffix not in _SUFFIXES[audio.container]:
        findings.append(
            _finding(
                file,
                "audio.mislabelled",
                Severity.ERROR,
                f"is {audio.container} inside, whatever its name says",
                f"rename it to end in {_SUFFIXES[audio.container][0]}",
            )
        )
    return findings + _damage(file, audio, inspection)


def _damage(file: PackageFile, audio: AudioProperties, inspection: Inspection) -> list[Finding]:
    claimed_ms = inspection.claimed_duration_ms or 0
    missing_ms = claimed_ms - audio.duration_ms
    if inspection.unfinished:
        return [
            _finding(
                file,
                "audio.truncated",
                Severity.ERROR,
                f"ends after {audio.duration_ms / 1000:.1f} s without the last page that every"
                " Ogg file has",
                "get a whole copy of it",
            )
        ]
    if missing_ms > max(TRUNCATED_MS_MIN, audio.duration_ms // 50):
        return [
            _finding(
                file,
                "audio.truncated",
                Severity.ERROR,
                f"says that it lasts {claimed_ms / 1000:.1f} s but ends after"
                f" {audio.duration_ms / 1000:.1f} s",
                "get a whole copy of it",
            )
        ]
    if audio.decode_errors:
        return [
            _finding(
                file,
                "audio.decode-errors",
                Severity.WARNING,
                f"has {audio.decode_errors} packets that cannot be decoded",
                "deposit a sound copy too, if there is one",
            )
        ]
    return []


def described_by(tags: Mapping[str, Sequence[str]]) -> Description:
    """What a file's own `tags` (lower-case names, values) say it is; codes are not read."""
    return Description(
        title=_first(tags, "title"),
        artist=_first(tags, "artist", "albumartist", "album_artist"),
        album=_first(tags, "album"),
        label=_first(tags, "publisher", "label", "organization"),
        year=_year(_first(tags, "year", "date", "originaldate")),
        track_number=_number(_first(tags, "track", "tracknumber")),
        genre=_first(tags, "genre"),
    )


def _describe(
    file: PackageFile, tags: Mapping[str, Sequence[str]]
) -> tuple[Description, list[Finding]]:
    codes, findings = _isrcs(file, tags)
    read = replace(described_by(tags), isrcs=codes)
    if file.told:
        read = _laid_over(read, file.told)
        findings += _other_codes(file, file.told, codes)
    description = file.declaration.described(file.name, read)
    if not description.title:
        description = replace(description, title=Path(file.safe_name).stem)
        findings.append(
            _finding(
                file,
                "tags.no-title",
                Severity.WARNING,
                f"has no title; its file name stands in: {description.title!r}",
                "give it a title tag, or a [[description]] in statements.toml",
            )
        )
    if not description.artist:
        findings.append(
            _finding(
                file,
                "tags.no-artist",
                Severity.WARNING,
                "names no artist",
                "give it an artist tag, or a [[description]] in statements.toml",
            )
        )
    return description, findings


def _laid_over(read: Description, told: Told) -> Description:
    """What the tags say, with what the delivery's message says over it."""
    said = told.description
    return replace(
        read,
        title=said.title or read.title,
        artist=said.artist or read.artist,
        album=said.album or read.album,
        label=said.label or read.label,
        year=said.year or read.year,
        isrcs=said.isrcs or read.isrcs,
    )


def _other_codes(file: PackageFile, told: Told, codes: Sequence[Isrc]) -> list[Finding]:
    theirs = told.description.isrcs
    if not codes or not theirs or set(codes) & set(theirs):
        return []
    return [
        _finding(
            file,
            "isrc.several",
            Severity.WARNING,
            f"carries {' and '.join(map(format_isrc, codes))} in its tags, and"
            f" {' and '.join(map(format_isrc, theirs))}"
            f" in the message ({told.where}); those count",
            "ask which of them is its code",
        )
    ]


def _told_findings(file: PackageFile, audio: AudioProperties | None) -> list[Finding]:
    if not (told := file.told):
        return []
    findings = [
        _finding(
            file,
            "message.describes",
            Severity.INFO,
            f"is described as {told.where} says",
            "nothing to do; what it says of rights is read by `sonotheque rights read` alone",
        )
    ]
    if told.message is None:
        findings.append(
            _finding(
                file,
                "message.left-out",
                Severity.INFO,
                f"its message ({told.where}) is too large to be kept with it",
                "keep the message itself if it matters",
            )
        )
    heard_ms, said_ms = audio.duration_ms if audio else 0, told.duration_ms
    if heard_ms and said_ms and conflicts(min(heard_ms, said_ms), max(heard_ms, said_ms), 0):
        findings.append(
            _finding(
                file,
                "message.other-duration",
                Severity.WARNING,
                f"lasts {heard_ms / 1000:.1f} s, and {said_ms / 1000:.1f} s by its message"
                f" ({told.where})",
                "find out whether it is the track that is meant, whole",
            )
        )
    return findings


def _isrcs(
    file: PackageFile, tags: Mapping[str, Sequence[str]]
) -> tuple[tuple[Isrc, ...], list[Finding]]:
    codes: dict[Isrc, None] = {}
    findings = []
    for value in (*tags.get("isrc", ()), *tags.get("tsrc", ())):
        for word in filter(None, re.split(r"[;,/]", value)):
            try:
                codes[parse_isrc(word)] = None
            except BadInput as error:
                meant = look_alike("".join(word.split()).replace("-", "").upper())
                code, remedy = "isrc.malformed", error.remedy
                if meant:
                    code, remedy = "isrc.look-alike", f"is {format_isrc(Isrc(meant))} meant?"
                message = f"carries {word[:40]!r}, which {error.what}; it is left out"
                findings.append(_finding(file, code, Severity.WARNING, message, remedy))
    return tuple(codes), findings


def _embedded_licence(
    file: PackageFile, tags: Mapping[str, Sequence[str]]
) -> tuple[Licence | None, str, list[Finding]]:
    """The one public licence that the tags name, and the best tag that names it. Prose is never
    guessed at."""
    found = {
        licence: tag
        for tag in reversed(LICENCE_TAGS)
        for value in tags.get(tag, ())
        if (licence := find_licence(value))
    }
    if len(found) == 1:
        licence, tag = found.popitem()
        if licence.uses:
            return licence, tag, []
        return (
            None,
            "",
            [
                _finding(
                    file,
                    "rights.allows-nothing",
                    Severity.WARNING,
                    f"its tags name {licence.name!r}, which by itself allows an archive nothing",
                    "find out who has a say, and write what they allow into statements.toml",
                )
            ],
        )
    if found:
        names = " and ".join(sorted(licence.name for licence in found))
        return (
            None,
            "",
            [
                _finding(
                    file,
                    "rights.contradictory-tags",
                    Severity.WARNING,
                    f"its tags name more than one licence, {names}; none of them counts",
                    "ask the rights holder which one holds and write it into statements.toml",
                )
            ],
        )
    prose = next((v for tag in LICENCE_TAGS[:4] for v in tags.get(tag, ()) if v.strip()), "")
    if not prose:
        return None, "", []
    return (
        None,
        "",
        [
            _finding(
                file,
                "rights.free-text",
                Severity.WARNING,
                f"its licence tag says {prose[:80]!r}, which is no public licence by URL or SPDX"
                " identifier",
                "read it, and write what it allows into statements.toml",
            )
        ],
    )


def _of_licence(
    file: PackageFile,
    licence: Licence,
    description: Description,
    status: Status,
    now: str,
) -> Statement:
    return Statement(
        recording=RecordingId(""),
        kind=Kind.GRANT,
        uses=licence.uses,
        status=status,
        issuer=description.artist or "the file's own tags",
        evidence=f"licence in the tags of {file.name}" + BY_POLICY * (status is Status.VERIFIED),
        at=now,
        basis=licence.basis,
        territories=licence.territories,
        licence=licence.url or licence.identifier,
    )


def _layers(
    file: PackageFile, tags: Mapping[str, Sequence[str]]
) -> tuple[tuple[Layer, ...], list[Finding]]:
    """What the licence in the tags is about: the whole track where they name no author but the
    one who plays it, the recording alone where they name another, who has a say of his own."""
    players = {fold(v) for tag in _PLAYER_TAGS for v in tags.get(tag, ())}
    authors = [v.strip() for tag in _AUTHOR_TAGS for v in tags.get(tag, ()) if v.strip()]
    others = sorted({author for author in authors if fold(author) not in players})
    if not others:
        return tuple(Layer), []
    named = ", ".join(others)[:200]
    return (Layer.RECORDING,), [
        _finding(
            file,
            "rights.other-author",
            Severity.WARNING,
            f"its tags name {named!r} as author of the work; the licence counts for the recording"
            " alone",
            "find out who has a say in the work, and enter that with `sonotheque rights grant ID"
            " --layer work`: their licence or consent, or --basis public-domain where no right"
            " is left",
        )
    ]


def _declared(file: PackageFile, now: str) -> list[Statement]:
    return [
        declared.said_of(RecordingId(""), now)
        for declared in file.declaration.statement
        if declared.about(file.name)
    ]


def _first(tags: Mapping[str, Sequence[str]], *names: str) -> str:
    for name in names:
        for value in tags.get(name, ()):
            if text := " ".join(value.split()):
                return text
    return ""


def _year(text: str) -> int | None:
    match = re.search(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)", text)
    return int(match[1]) if match else None


def _number(text: str) -> int | None:
    match = re.match(r"\d{1,4}", text)
    return int(match[0]) or None if match else None


def _finding(
    file: PackageFile, code: str, severity: Severity, message: str, remedy: str
) -> Finding:
    return Finding(code=code, severity=severity, message=message, remedy=remedy, where=file.name)
