"""Whose sound is it: what the matches of a new file mean, given whose name it carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sonotheque.matching.names import artist_key, title_key, versions_of
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Description, Match, MatchKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraised:
    """What the matches of a file come to. `same_as` is the recording that the file is another
    encoding of, None where it is a recording of its own or somebody has to look."""

    same_as: RecordingId | None
    findings: tuple[Finding, ...]


def appraise(
    description: Description,
    matches: Sequence[Match],
    described: Mapping[RecordingId, Description],
    since: Mapping[RecordingId, str] | None = None,
) -> Appraised:
    """Weigh `matches`, best first, of a file that says it is `description`.

    `described` says what the matched recordings are; one it does not name says nothing. `since`
    says of those that the ledger knows since when, in words: who was first. A file
    is another encoding of the best match that is the same recording, by the same artist or with
    one of the two unnamed, and not by its title another version. Once that is found, the same
    sound under another name is the archive's to look into, not the file's error.
    """
    pairs = [(match, described.get(match.recording, Description())) for match in matches]
    same_as = next(
        (
            match.recording
            for match, held in pairs
            if match.kind is MatchKind.SAME_RECORDING
            and not match.is_suspect
            and not _other_artist(description, held)
            and not _other_version(description, held)
        ),
        None,
    )
    findings: list[Finding] = []
    for match, held in pairs:
        before = len(findings)
        if match.is_suspect:
            findings.append(_suspect_finding(match, held))
        elif match.kind is MatchKind.MODIFIED_COPY:
            findings.append(_modified_finding(description, match, held, known=same_as is not None))
        elif match.kind is not MatchKind.SAME_RECORDING:
            findings.append(_part(description, match, held))
        elif _other_artist(description, held):
            severity = Severity.ERROR if same_as is None else Severity.WARNING
            findings.append(_other_artist_finding(description, match, held, severity))
        else:
            if not (artist_key(description.artist) and artist_key(held.artist)):
                findings.append(_no_artist_finding(description, match, held))
            if _other_title(description, held):
                findings.append(_other_title_finding(description, match, held))
            if _other_label(description, held):
                findings.append(_other_label_finding(description, match, held))
            if match.recording == same_as:
                findings.append(_same_recording_finding(match, held))
        first = (since or {}).get(match.recording)
        if first:
            findings[before:] = [_dated(finding, first) for finding in findings[before:]]
    return Appraised(same_as=same_as, findings=tuple(findings))


def _other_artist(new: Description, held: Description) -> bool:
    first, second = artist_key(new.artist), artist_key(held.artist)
    return bool(first and second) and first != second


def _other_title(new: Description, held: Description) -> bool:
    first, second = title_key(new.title), title_key(held.title)
    return (bool(first and second) and first != second) or _other_version(new, held)


def _other_version(new: Description, held: Description) -> bool:
    """One is live, a remix or the like, by its title, and the other is not. A title that is
    missing says nothing."""
    return bool(new.title and held.title) and versions_of(new.title) != versions_of(held.title)


def _other_label(new: Description, held: Description) -> bool:
    first, second = artist_key(new.label), artist_key(held.label)
    return bool(first and second) and first != second


def _dated(finding: Finding, first: str) -> Finding:
    """`finding` with who was first, where it is about whose sound it is."""
    if not finding.code.startswith("clone."):
        return finding
    return replace(finding, message=f"{finding.message}; {first}")


def _part(new: Description, match: Match, held: Description) -> Finding:
    if match.kind is MatchKind.EXCERPT:
        code, relation = "match.excerpt", "is a part of"
    else:
        code, relation = "match.contains", "contains"
    whose = ", by another artist" if _other_artist(new, held) else ""
    return Finding(
        code=code,
        severity=Severity.WARNING,
        message=f"{relation} {_evidence(match, held)}{whose}",
        remedy="check that it is meant as a recording of its own and may be deposited as such",
    )


def _modified_finding(new: Description, match: Match, held: Description, *, known: bool) -> Finding:
    """`known` where the file is another encoding of a recording of its own artist."""
    how = how_modified(match)
    if _other_artist(new, held):
        return Finding(
            code="clone.modified",
            severity=Severity.WARNING if known else Severity.ERROR,
            message=f"says it is by {new.artist!r} but is, {how}, {_evidence(match, held)}",
            remedy="if both names are one artist, correct the tag; otherwise show who made the "
            "recording before it is deposited",
        )
    return Finding(
        code="match.modified-copy",
        severity=Severity.WARNING,
        message=f"is, {how}, {_evidence(match, held)}",
        remedy="check that it is meant as a recording of its own; it is kept as one",
    )


def how_modified(match: Match) -> str:
    """What was done to a modified copy, in words."""
    if match.speed is not None and not match.is_inverted:
        return f"at {match.speed:.3f} times the speed"
    changes = ["with one channel inverted"] if match.is_inverted else []
    if abs(match.tempo - 1) >= 0.002:
        changes.append(f"at {match.tempo:.3f} times the tempo")
    if abs(match.pitch_cents) >= 10:
        height = "higher" if match.pitch_cents > 0 else "lower"
        changes.append(f"{abs(match.pitch_cents):.0f} cents {height}")
    return " and ".join(changes) or "a little changed"


def _suspect_finding(match: Match, held: Description) -> Finding:
    if match.kind is MatchKind.SAME_WORK:
        return Finding(
            code="match.another-performance",
            severity=Severity.WARNING,
            message=f"sounds like {_evidence(match, held)}, but its notes are not where that has"
            " them: as far as can be heard, the same work played again",
            remedy="listen to both; it is kept as a recording of its own, and must not be merged"
            " unless they are one",
        )
    how = f", {how_modified(match)}," if match.kind is MatchKind.MODIFIED_COPY else ""
    return Finding(
        code="match.suspect",
        severity=Severity.WARNING,
        message=f"may be{how} {_evidence(match, held)}: only one kind of evidence says so",
        remedy="listen to both; it is kept as a recording of its own",
    )


def _other_artist_finding(
    new: Description, match: Match, held: Description, severity: Severity
) -> Finding:
    return Finding(
        code="clone.other-artist",
        severity=severity,
        message=f"says it is by {new.artist!r} but sounds the same as {_evidence(match, held)}",
        remedy="if both names are one artist, correct the tag; otherwise show who made the "
        "recording before it is deposited",
    )


def _no_artist_finding(new: Description, match: Match, held: Description) -> Finding:
    unnamed = "the file" if not artist_key(new.artist) else "the archive"
    return Finding(
        code="clone.no-artist",
        severity=Severity.WARNING,
        message=f"{unnamed} names no artist; it sounds the same as {_evidence(match, held)}",
        remedy="name the artist, so that the two can be told to be one recording",
    )


def _other_title_finding(new: Description, match: Match, held: Description) -> Finding:
    return Finding(
        code="clone.other-title",
        severity=Severity.WARNING,
        message=f"is called {new.title!r} but sounds the same as {_evidence(match, held)}",
        remedy="check which title is right, and whether it is another version",
    )


def _other_label_finding(new: Description, match: Match, held: Description) -> Finding:
    return Finding(
        code="clone.other-label",
        severity=Severity.WARNING,
        message=f"comes from the label {new.label!r}, and sounds the same as"
        f" {_evidence(match, held)} of {held.label!r}",
        remedy="if it was licensed on or sold, keep the paper; otherwise ask who holds it",
    )


def _same_recording_finding(match: Match, held: Description) -> Finding:
    return Finding(
        code="match.same-recording",
        severity=Severity.INFO,
        message=f"is another encoding of {_evidence(match, held)}",
        remedy="nothing to do: it is kept beside the encodings that are held",
    )


def _evidence(match: Match, held: Description) -> str:
    """The recording, whose it is, and how well it matches."""
    title = repr(held.title) if held.title else "an untitled recording"
    artist = f"by {held.artist!r}" if held.artist else "by an unnamed artist"
    return (
        f"{title} {artist} ({match.recording}; {match.similarity:.1%} alike "
        f"over {match.overlap_ms / 1_000:.0f} s)"
    )
