"""DDEX as a source: the sound recordings of Electronic Release Notifications (ERN) 3.4 to 4.3.

A `NewReleaseMessage` gives a row for each SoundRecording of its resource list, with the release of
the message that it is on: the main one before a track's own. Elements after the DDEX standards
(ERN, kb.ddex.net); names are taken without their namespaces, for these change with the version.

A resource reference (`A1`) means something in its message alone. So a recording is known by its
ISRC; where it has none, by the sender's proprietary identifier; where it has none of these, by its
release's identifier or else the message's, and the reference. What the key is unique in is the
sender: the rows' source is `ddex:<sender's party identifier>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from sonotheque.catalogue.sources import Fault, Piece
from sonotheque.catalogue.sources.cleaning import fault
from sonotheque.catalogue.sources.gathering import Counted, Row, gather, known_part
from sonotheque.catalogue.sources.reading import opened, paths_in
from sonotheque.store.markup import Element, Unfit, parse, text_of

MESSAGE_BYTES_MAX = 1 << 25
"""Memory: some 1 GB for a message that is made to fill it."""

_DURATION = re.compile(
    r"P(?:(?P<D>\d{1,3})D)?(?:T(?:(?P<H>\d{1,4})H)?(?:(?P<M>\d{1,6})M)?"
    r"(?:(?P<S>\d{1,8}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)
_SECONDS = {"D": 86_400, "H": 3_600, "M": 60, "S": 1}
_P_LINE = re.compile(r"^(?:\(P\)|℗)?\s*(?:[0-9]{4}\b)?\s*", re.IGNORECASE)
_IDS = ("SoundRecordingId", "ResourceId", "SoundRecordingEdition/ResourceId")
_MAIN_ROLES = ("MainArtist", "")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file as a message names it: its path or address, as it is written and not to be trusted;
    `hashes` are (algorithm, digest) pairs. A `clip` is a part, such as a preview."""

    name: str
    hashes: tuple[tuple[str, str], ...] = ()
    clip: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """A sound recording of a message, on `line` of it: the clean `row` of an import, or the
    `fault` for which it was set aside; and the files that it names."""

    line: int
    row: dict[str, Any]
    fault: Fault | None
    files: tuple[NamedFile, ...]


def read_ddex(path: Path, *, origin: str, year_max: int) -> Iterator[Piece]:
    """The sound recordings of the message at `path`, or of all `.xml` in a directory.

    Raises BadInput. What is no NewReleaseMessage, or no XML, is set aside as a whole.
    """
    return gather(_found(path), source=origin, year_max=year_max)


def read_tracks(path: Path, *, origin: str, year_max: int) -> Iterator[Track]:
    """The sound recordings of the one message at `path` with the files that they name, in its
    order; what is set aside comes as a fault. Raises BadInput as `read_ddex`."""
    named = list(_read(_content(path), path.name, Counted(False)))
    lines = [one.line for one, _ in named]
    # Lines do not tell the tracks of a message apart that is written on one; numbers do.
    numbered: list[Row | Fault] = [
        replace(one, line=number) if isinstance(one, Fault) else one._replace(line=number)
        for number, (one, _) in enumerate(named)
    ]
    tracks: list[tuple[int, Track]] = []
    for piece in gather(numbered, source=origin, year_max=year_max):
        rows = {row["line"]: row for row in piece.rows.to_pylist()}
        for number, row in rows.items():
            tracks.append((number, Track(lines[number], row, None, named[number][1])))
        for one in piece.faults:
            # Of a row that lost only a part, the row names the files.
            number, line = one.line, lines[one.line]
            files = () if number in rows else named[number][1]
            tracks.append((number, Track(line, {}, replace(one, line=line), files)))
    yield from (track for _, track in sorted(tracks, key=lambda pair: pair[0]))


def _found(path: Path) -> Iterator[Row | Fault]:
    paths = paths_in(path, "*.xml", "*.xml.gz")
    counted = Counted(len(paths) > 1)
    for part in paths:
        name = str(part.relative_to(path)) if part != path else part.name
        yield from (one for one, _ in _read(_content(part), name, counted))
        counted.next_file()


def _content(path: Path) -> bytes:
    with opened(path) as reader:
        return reader.read(MESSAGE_BYTES_MAX + 1)


def _read(
    content: bytes, name: str, counted: Counted
) -> Iterator[tuple[Row | Fault, tuple[NamedFile, ...]]]:
    """The rows of one message, each with the files it names; at least one row or fault."""
    line, _ = counted.place(name, 1)
    if len(content) > MESSAGE_BYTES_MAX:
        yield fault("document.too-large", line, {"file": name}), ()
        return
    try:
        root = parse(content)
    except Unfit as unfit:
        yield fault(unfit.code, line, {"file": name}, unfit.why), ()
        return
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if root.tag != "NewReleaseMessage":
        yield fault("message.other", line, {"message": root.tag, "file": name}), ()
        return
    message = _Message(root)
    recordings = root.findall("ResourceList/SoundRecording")
    if not recordings:
        yield fault("release.no-tracks", line, {"message": root.tag, "file": name}), ()
    times: dict[str, int] = {}
    for recording in recordings:
        place, file = counted.place(name, recording.sourceline)
        row = message.row(recording, place, file)
        key = row.source_id
        times[key] = times.get(key, 0) + 1
        if key and times[key] > 1:
            # Two resources of one message are two recordings, whatever their identifiers say.
            row = row._replace(source_id=key.replace("#", f"~{times[key]}#"))
        yield row, _files(recording)


class _Message:
    """A NewReleaseMessage, whose parts refer to each other."""

    def __init__(self, root: Element) -> None:
        header = root.find("MessageHeader")
        sender = text_of(header, "MessageSender/PartyId")
        self._source = f"ddex:{sender}" if sender else ""
        self._id = text_of(header, "MessageId")
        self._parties = {
            text_of(party, "PartyReference"): text_of(party, "PartyName/FullName")
            for party in root.iterfind("PartyList/Party")
        }
        self._release_of: dict[str, Element] = {}
        releases = [
            *root.iterfind("ReleaseList/Release"),
            *root.iterfind("ReleaseList/TrackRelease"),
        ]
        for release in sorted(releases, key=_rank):
            for reference in release.iter("ReleaseResourceReference"):
                self._release_of.setdefault((reference.text or "").strip(), release)

    def row(self, recording: Element, line: int, file: str) -> Row:
        reference = text_of(recording, "ResourceReference")
        release = self._release_of.get(reference)
        isrcs = [
            (code.text or "").strip()
            for identifiers in _IDS
            for code in recording.iterfind(f"{identifiers}/ISRC")
        ]
        p_line = _first(recording, "PLine/PLineText", "SoundRecordingEdition/PLine/PLineText")
        year = _first(recording, "PLine/Year", "SoundRecordingEdition/PLine/Year")
        label = self._label(release) or _first(recording, "LabelName") or _P_LINE.sub("", p_line)
        date = (
            _first(release, "ReleaseDate", "GlobalReleaseDate")
            or _first(release, "OriginalReleaseDate", "GlobalOriginalReleaseDate")
            or _first(recording, "ResourceReleaseDate", "FirstPublicationDate")
            or _first(recording, "OriginalResourceReleaseDate")
            or year
        )
        return Row(
            line=line,
            source=self._source,
            source_id=self._key(recording, release, reference, isrcs),
            isrc=";".join(isrcs),
            title=_title(recording),
            artist=self._artist(recording) or self._artist(release),
            album=_title(release),
            label=label,
            upc=_first(release, "ReleaseId/ICPN"),
            # A moment (2024-04-01T00:00:00) is its day.
            release_date=known_part(date.partition("T")[0]),
            duration_ms=_duration_ms(text_of(recording, "Duration")),
            file=file,
        )

    def _key(self, recording: Element, release: Element, reference: str, isrcs: list[str]) -> str:
        where = (
            _first(release, "ReleaseId/ICPN")
            or _first(release, "ReleaseId/GRid")
            or _proprietary(release, "ReleaseId")
            or _first(release, "ReleaseId/ISRC")
        )
        own = "".join(re.findall("[A-Z0-9]", min(isrcs).upper())) if any(isrcs) else ""
        if not own:
            own = next(filter(None, (_proprietary(recording, name) for name in _IDS)), "")
        scope = where or self._id
        if not own and scope and reference:
            own = f"{scope}/{reference}"
        return f"{own.replace('#', '%23')}#{where.replace('#', '%23')}" if own else ""

    def _artist(self, element: Element) -> str:
        if element is None:
            return ""
        for parent in _details(element):
            if name := text_of(parent, "DisplayArtistName"):
                return name
            artists = parent.findall("DisplayArtist")
            main = [artist for artist in artists if _role(artist) in _MAIN_ROLES]
            names = [
                _first(artist, "PartyName/FullName", "ArtistName/FullName")
                or self._parties.get(text_of(artist, "ArtistPartyReference"), "")
                for artist in main or artists
            ]
            if any(names):
                return ", ".join(filter(None, names))
        return ""

    def _label(self, release: Element) -> str:
        reference = _first(release, "ReleaseLabelReference")
        return _first(release, "LabelName") or self._parties.get(reference, "")


def _files(recording: Element) -> tuple[NamedFile, ...]:
    """ERN 3 has FilePath and FileName, 4 has a URI, from 4.3 on within a DeliveryFile."""
    found: dict[NamedFile, None] = {}
    for details in recording.iter("TechnicalSoundRecordingDetails", "TechnicalDetails"):
        clip = "true" in (text_of(details, "IsPreview"), text_of(details, "IsClip"))
        for file in (*details.iterfind("File"), *details.iterfind("DeliveryFile/File")):
            directory, name = text_of(file, "FilePath"), text_of(file, "FileName")
            name = text_of(file, "URI") or (
                f"{directory.rstrip('/')}/{name}" if directory and name else name
            )
            hashes = tuple(
                (
                    text_of(each, "HashSumAlgorithmType") or text_of(each, "Algorithm"),
                    text_of(each, "HashSum") or text_of(each, "HashSumValue"),
                )
                for each in file.iterfind("HashSum")
            )
            if name:
                found[NamedFile(name, hashes, clip)] = None
    return tuple(found)


def _rank(release: Element) -> tuple[bool, bool]:
    """The main release first, a release of one track last."""
    kind = _first(release, "ReleaseType")
    is_track = (
        release.tag == "TrackRelease" or kind.startswith("Track") or kind == "VideoTrackRelease"
    )
    return release.get("IsMainRelease") != "true", is_track


def _details(element: Element) -> list[Element]:
    """`element`, then what it says by territory: what holds everywhere before the rest."""
    territories = [child for child in element if child.tag.endswith("DetailsByTerritory")]
    territories.sort(key=lambda child: text_of(child, "TerritoryCode") != "Worldwide")
    return [element, *territories]


def _first(element: Element, *paths: str) -> str:
    """The first text at one of `paths`, in the element or what it says by territory."""
    if element is None:
        return ""
    places = _details(element)
    return next((text for path in paths for place in places if (text := text_of(place, path))), "")


def _title(element: Element) -> str:
    if element is None:
        return ""
    if text := _first(element, "DisplayTitleText"):
        return text
    for path in ("Title[@TitleType='DisplayTitle']", "DisplayTitle", "ReferenceTitle", "Title"):
        for place in _details(element):
            title = place.find(path)
            if title is not None and (text := text_of(title, "TitleText")):
                more = text_of(title, "SubTitle")
                return f"{text} ({more})" if more else text
    return ""


def _role(artist: Element) -> str:
    return text_of(artist, "ArtistRole") or text_of(artist, "DisplayArtistRole")


def _proprietary(element: Element, identifiers: str) -> str:
    found = None if element is None else element.find(f"{identifiers}/ProprietaryId")
    if found is None or not (found.text or "").strip():
        return ""
    return f"{found.get('Namespace') or ''}:{found.text.strip()}"


def _duration_ms(text: str) -> str:
    """`PT3M45S` in milliseconds; anything else as what cannot be a number."""
    if not text:
        return ""
    match = _DURATION.fullmatch(text)
    parts = {unit: part for unit, part in match.groupdict().items() if part} if match else {}
    if not parts:
        return f"{text} (not PT…M…S)"
    seconds = sum(Decimal(part) * _SECONDS[unit] for unit, part in parts.items())
    return str(round(1000 * seconds))
