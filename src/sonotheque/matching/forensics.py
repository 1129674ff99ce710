"""What files and recordings show when they are held against each other. Pure.

One file may be an error; many of a kind are a method. A code on two sounds, a release that is one
track many times over, a delivery in which artist after artist turns out to be somebody else: each
is found by comparing, and each finding names what it compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sonotheque.matching.names import artist_key, title_key
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, RecordingId, format_isrc
from sonotheque.model.music import Description, Match, MatchKind, Recording

CATALOGUE_MIN = 3
"""So many recordings of one artist under other names are no mix-up of one file any more."""
_PREFIX_PEERS_MIN = 4
_NAMES_SHOWN = 4
_TITLE_LETTERS_MIN = 2
_CLONED = ("clone.modified", "clone.other-artist")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One file, one track of a message, or one recording, in what is looked through as a whole.
    `name` is how it is called there, `alike` the names of others there that sound the same, and
    `cloned_from` whose recording it is under another name."""

    name: str
    description: Description
    alike: tuple[str, ...] = ()
    cloned_from: tuple[str, ...] = ()


def known_code_findings(
    description: Description,
    known: Mapping[Isrc, Sequence[Recording]],
    *,
    held: frozenset[RecordingId],
    matched: frozenset[RecordingId],
) -> tuple[Finding, ...]:
    """What the codes of `description` are known for: `known` are the recordings that carry them.

    The sound of those in `held` was compared, and is the same for those in `matched`.
    """
    found = []
    for isrc, recordings in known.items():
        shown = format_isrc(isrc)
        for recording in recordings:
            theirs = recording.description
            if recording.id in held and recording.id not in matched:
                found.append(
                    Finding(
                        code="isrc.other-sound",
                        severity=Severity.WARNING,
                        message=f"carries {shown}, the code of {_called(recording)}, which sounds"
                        " otherwise",
                        remedy="find out whose code it is; one ISRC stands for one recording",
                    )
                )
            elif _differ(artist_key(description.artist), artist_key(theirs.artist)):
                found.append(
                    Finding(
                        code="isrc.other-artist",
                        severity=Severity.WARNING,
                        message=f"carries {shown}, which is known as the code of"
                        f" {_called(recording)}",
                        remedy="find out whose code it is before it goes out",
                    )
                )
            elif _differ(title_key(description.title), title_key(theirs.title)):
                found.append(
                    Finding(
                        code="isrc.other-title",
                        severity=Severity.WARNING,
                        message=f"is called {description.title!r} and carries {shown}, which is"
                        f" known as the code of {_called(recording)}",
                        remedy="check which title the code belongs to",
                    )
                )
    return tuple(found)


def same_work_findings(
    description: Description, unlike: Sequence[Recording]
) -> tuple[Finding, ...]:
    """Which of `unlike`, recordings that were heard and do not sound the same, have the title and
    the artist of `description`: by these words, and by nothing else, recordings of one work.

    A title that is missing or of one letter or digit says nothing, nor does a missing artist.
    """
    title, artist = title_key(description.title), artist_key(description.artist)
    if len(title) < _TITLE_LETTERS_MIN or not artist:
        return ()
    alike = [
        one
        for one in unlike
        if title_key(one.description.title) == title
        and artist_key(one.description.artist) == artist
    ]
    if not alike:
        return ()
    shown = ", ".join(_called(one) for one in alike[:_NAMES_SHOWN])
    more = f" and {len(alike) - _NAMES_SHOWN} more" if len(alike) > _NAMES_SHOWN else ""
    return (
        Finding(
            code="match.same-work",
            severity=Severity.INFO,
            message=f"does not sound like {shown}{more}, of the same title and artist: by these"
            " words alone, another recording of the same work",
            remedy="nothing to do: it is a recording of its own, and must not be merged",
        ),
    )


def several_codes_findings(description: Description, held: Recording | None) -> tuple[Finding, ...]:
    """Of a file that is another encoding of `held`: whether both carry codes, and none in common;
    of a recording of the archive, with None: whether it carries more than one."""
    if held is None:
        own, theirs = description.isrcs[:1], description.isrcs[1:]
    else:
        own, theirs = description.isrcs, held.description.isrcs
        if set(own) & set(theirs):
            return ()
    if not own or not theirs:
        return ()
    where = _called(held) if held else "the same recording"
    return (
        Finding(
            code="isrc.several",
            severity=Severity.WARNING,
            message=f"carries {_codes(own)}; {where} carries {_codes(theirs)} as well",
            remedy="ask which of them is its code; a recording is given one ISRC, once",
        ),
    )


def licence_findings(
    licences: Iterable[str], held: Iterable[str], whose: str
) -> tuple[Finding, ...]:
    """Whether `licences` are others than those that are on record (`held`) for `whose`."""
    new, known = sorted(set(filter(None, licences))), sorted(set(filter(None, held)))
    if not new or not known or set(new) <= set(known):
        return ()
    return (
        Finding(
            code="rights.conflicting-licences",
            severity=Severity.WARNING,
            message=f"comes under {' and '.join(new)}; on record for {whose} is"
            f" {' and '.join(known)}",
            remedy="ask the rights holder which one holds",
        ),
    )


def across(exhibits: Sequence[Exhibit], sender: str) -> tuple[Finding, ...]:
    """What `exhibits`, all of one `sender`, show together."""
    return (
        *_repeated_codes(exhibits),
        *_padding(exhibits),
        *_cloned_catalogues(exhibits, sender),
        *_odd_prefixes(exhibits),
    )


def _repeated_codes(exhibits: Sequence[Exhibit]) -> Iterator[Finding]:
    by_code: dict[Isrc, list[Exhibit]] = defaultdict(list)
    for exhibit in exhibits:
        for isrc in exhibit.description.isrcs:
            by_code[isrc].append(exhibit)
    for isrc, sharing in by_code.items():
        first = sharing[0]
        # Two encodings of one recording rightly share its code.
        others = [one for one in sharing[1:] if first.name not in one.alike]
        others = [one for one in others if one.name not in first.alike]
        if others:
            yield Finding(
                code="isrc.repeated",
                severity=Severity.WARNING,
                message=f"{format_isrc(isrc)} stands on {_names([first, *others])}, which are not"
                " one recording",
                remedy="give each its own code, and this one to the recording that it belongs to",
                where=first.name,
            )


def _padding(exhibits: Sequence[Exhibit]) -> Iterator[Finding]:
    """Groups that sound alike and are called differently."""
    by_name = {exhibit.name: exhibit for exhibit in exhibits}
    near: dict[str, list[str]] = defaultdict(list)
    for exhibit in exhibits:
        for name in filter(by_name.__contains__, exhibit.alike):
            near[exhibit.name].append(name)
            near[name].append(exhibit.name)
    seen: set[str] = set()
    for exhibit in exhibits:
        if exhibit.name in seen:
            continue
        group = [exhibit]
        seen.add(exhibit.name)
        for one in group:
            for name in near[one.name]:
                if name not in seen:
                    seen.add(name)
                    group.append(by_name[name])
        titles = {title_key(one.description.title) or one.name for one in group}
        if len(titles) > 1:
            yield Finding(
                code="release.padded",
                severity=Severity.WARNING,
                message=f"{len(group)} tracks under {len(titles)} titles are one recording:"
                f" {_names(group)}",
                remedy="keep one of them, or say by their titles how they differ",
                where=group[0].name,
            )


def _cloned_catalogues(exhibits: Sequence[Exhibit], sender: str) -> Iterator[Finding]:
    by_artist: dict[str, list[tuple[str, Exhibit]]] = defaultdict(list)
    for exhibit in exhibits:
        for artist in dict.fromkeys(exhibit.cloned_from):
            by_artist[artist_key(artist)].append((artist, exhibit))
    for cloned in by_artist.values():
        if len(cloned) >= CATALOGUE_MIN:
            artist = cloned[0][0]
            yield Finding(
                code="clone.catalogue",
                severity=Severity.ERROR,
                message=f"{len(cloned)} of {len(exhibits)} from {sender!r} are recordings by"
                f" {artist!r} under other names: {_names([one for _, one in cloned])}",
                remedy="keep the delivery back as a whole, and ask who sent it and with what right",
            )


def _odd_prefixes(exhibits: Sequence[Exhibit]) -> Iterator[Finding]:
    """A code by another registrant than all others of a release."""
    by_release: dict[tuple[str, str], list[Exhibit]] = defaultdict(list)
    for exhibit in exhibits:
        said = exhibit.description
        if said.album and said.isrcs:
            by_release[title_key(said.album), artist_key(said.label)].append(exhibit)
    for release in by_release.values():
        prefixes: dict[str, list[Exhibit]] = defaultdict(list)
        for exhibit in release:
            prefixes[exhibit.description.isrcs[0][:5]].append(exhibit)
        if len(prefixes) == 2 and len(release) > _PREFIX_PEERS_MIN:
            (few, odd), (many, _) = sorted(prefixes.items(), key=lambda pair: len(pair[1]))
            if len(odd) == 1:
                yield Finding(
                    code="isrc.registrant",
                    severity=Severity.INFO,
                    message=f"its code begins with {few}, those of the rest of the release with"
                    f" {many}",
                    remedy="nothing to do where it was licensed in; otherwise ask whose code it is",
                    where=odd[0].name,
                )


def cloned_from(
    findings: Iterable[Finding],
    matches: Iterable[Match],
    described: Mapping[RecordingId, Description],
) -> tuple[str, ...]:
    """Whose recordings `matches` are, where `findings` say that they come under another name."""
    if not any(finding.code in _CLONED for finding in findings):
        return ()
    return tuple(
        described[match.recording].artist
        for match in matches
        if not match.is_suspect
        and described.get(match.recording, Description()).artist
        and match.kind in (MatchKind.SAME_RECORDING, MatchKind.MODIFIED_COPY)
    )


def _differ(first: str, second: str) -> bool:
    return bool(first and second) and first != second


def _called(recording: Recording) -> str:
    said = recording.description
    return f"{said.title!r} by {said.artist or 'an unnamed artist'!r} ({recording.id})"


def _codes(isrcs: Iterable[Isrc]) -> str:
    return " and ".join(map(format_isrc, isrcs))


def _names(exhibits: Sequence[Exhibit]) -> str:
    shown = ", ".join(repr(one.name) for one in exhibits[:_NAMES_SHOWN])
    more = len(exhibits) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
