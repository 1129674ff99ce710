"""What the deals of a DDEX message say, as statements; what they leave open, as findings. Pure.

Electronic Release Notifications (ERN) 3.4 to 4.3, by the DDEX knowledge base (kb.ddex.net) and data
dictionary. A deal is read whole or not at all: an element, a word or a date that is not understood
keeps it from allowing anything, and is a finding that asks a person. What is understood:

- **Who.** A message is between its sender and its recipient. A deal for a distribution channel is
  for that channel. What is read is the sender's word, a claim, about the recording alone: the
  authors of the work are no party to a deal about a release.
- **At what price.** Of the commercial models only FreeOfChargeModel lets the public have it without
  paying or seeing advertisements, which is how an archive gives. The others allow nothing here.
- **What.** OnDemandStream, and Stream, of which it is a kind, are STREAM; PermanentDownload, and
  Download, are DOWNLOAD. A download that ends with a subscription, and radio, are no use of ours.
  UseForGenerativeAI does not say whether it is training, on what terms, or of what kind.
- **Where and when.** Countries by ISO 3166-1 alpha-2, and Worldwide. A deal ends as its last day
  begins: whether that day still belongs to it is read differently by different people. A moment
  without its offset from UTC counts as its day.
- **No longer.** TakeDown asks that the release be shown no more, its description included;
  AllDealsCancelled, that it be offered no more; a PurgeReleaseMessage, that it be forgotten. Each
  is a takedown: doubt about where and when makes it larger. What a message means for an archive
  that has heard of the release before is in `entering`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sonotheque.errors import BadInput
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, RecordingId, parse_isrc
from sonotheque.model.terms import KEEPING, Basis, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.ern import (
    FREE,
    NO_USE_OF_OURS,
    PAID,
    READ,
    USES,
    WITHOUT_EFFECT,
    countries_of,
    identifier_of,
    is_false,
    is_true,
    moment_of,
    name_at,
    parsed,
    resources_of,
    word_of,
)
from sonotheque.store.markup import Element, Unfit, parse, text_of

MESSAGE_BYTES_MAX = 1 << 25
"""Memory: some 1 GB for a message that is made to fill it."""

_EXCEPT_KEEPING = tuple(use for use in Use if use not in KEEPING)
_EXCEPT_PRESERVE = tuple(use for use in Use if use is not Use.PRESERVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a message says of one recording of one release. The statement is about no recording of
    an archive yet, and at no time."""

    release: str
    isrcs: tuple[Isrc, ...]
    title: str
    statement: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message, read. `recipients` are party identifiers; `releases` are those it is about."""

    name: str
    id: str
    created: str
    issuer: str
    recipients: tuple[str, ...]
    test: bool
    releases: tuple[str, ...]
    purged: tuple[str, ...]
    said: tuple[Said, ...]
    findings: tuple[Finding, ...]

    def takedown_of(self, release: str) -> Statement:
        """What the purging of `release` says of each of its recordings."""
        return self.statement(release, Kind.TAKEDOWN, _EXCEPT_PRESERVE)

    def statement(self, release: str, kind: Kind, uses: tuple[Use, ...]) -> Statement:
        """A claim by the sender about `release`."""
        return Statement(
            recording=RecordingId(""),
            kind=kind,
            uses=uses,
            status=Status.CLAIMED,
            issuer=self.issuer,
            evidence=f"{_about(release)}message {self.id} of {self.created}",
            at="",
            basis=Basis.AGREEMENT if kind is Kind.GRANT else None,
            layers=(Layer.RECORDING,) if kind is Kind.GRANT else (),
        )

    def is_earlier(self, statement: Statement, release: str) -> bool:
        """Is it what a message of the same sender said of `release`?"""
        return statement.issuer == self.issuer and statement.evidence.startswith(_about(release))


def _about(release: str) -> str:
    return f"DDEX release {release}: "


def read_deals(content: bytes, where: str) -> Message:
    """What the message `content` says; `where` names it. Raises BadInput for what is no ERN
    message."""
    if len(content) > MESSAGE_BYTES_MAX:
        raise BadInput(
            f"has over {MESSAGE_BYTES_MAX:,} bytes", where=where, remedy="ask for smaller messages"
        )
    try:
        root = parse(content)
    except Unfit as unfit:
        why = unfit.why or "it declares a document type"
        raise BadInput(
            f"cannot be read as XML: {why}", where=where, remedy="ask for it anew"
        ) from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag not in ("NewReleaseMessage", "PurgeReleaseMessage"):
        raise BadInput(
            f"is a {root.tag}, which carries no deals",
            where=where,
            remedy="give a NewReleaseMessage or a PurgeReleaseMessage (DDEX ERN)",
        )
    return _Reader(root, where).message()


class _Reader:
    """A message whose parts refer to each other."""

    def __init__(self, root: Element, where: str) -> None:
        self._root = root
        self._where = where
        self._asked: dict[tuple[str, Severity, str, str], list[int]] = {}
        header = root.find("MessageHeader")
        name = name_at(header, "MessageSender/PartyName/FullName")
        party = name_at(header, "MessageSender/PartyId")
        behalf = name_at(header, "MessageSender/SentOnBehalfOf/PartyName/FullName") or name_at(
            header, "SentOnBehalfOf/PartyName/FullName"
        )
        issuer = f"{name} ({party})" if name and party else name or party
        self._head = Message(
            name=root.tag,
            id=name_at(header, "MessageId"),
            created=name_at(header, "MessageCreatedDateTime"),
            issuer=f"{issuer} for {behalf}" if behalf else issuer,
            recipients=tuple(
                party
                for recipient in root.iterfind("MessageHeader/MessageRecipient")
                if (party := text_of(recipient, "PartyId"))
            ),
            test=text_of(header, "MessageControlType") == "TestMessage",
            releases=(),
            purged=(),
            said=(),
            findings=(),
        )

    def message(self) -> Message:
        """All of it."""
        root = self._root
        releases = [
            *root.iterfind("ReleaseList/Release"),
            *root.iterfind("ReleaseList/TrackRelease"),
        ]
        by_reference = {text_of(release, "ReleaseReference"): release for release in releases}
        names = {id(release): identifier_of(release) for release in releases}
        said: list[Said] = []
        dealt = set()
        for deal_of in root.iterfind("DealList/ReleaseDeal"):
            for reference in deal_of.iterfind("DealReleaseReference"):
                release = by_reference.get((reference.text or "").strip())
                if release is None:
                    self._ask("deal.reference", deal_of, f"{reference.text} names no release")
                    continue
                dealt.add(id(release))
                said += self._said_of(release, names[id(release)], deal_of)
        for release in releases:
            if id(release) not in dealt and resources_of(release):
                self._ask("deal.none", release, "no deal is given for a release")
        self._notice_contradictions(said)
        for element in root.iter():
            if "aicontribution" in element.tag.lower():
                self._ask("deal.ai-contribution", element, "a machine had a part in making it")
        purged = tuple(filter(None, map(identifier_of, root.iterfind("PurgedRelease"))))
        if root.tag == "PurgeReleaseMessage" and not purged:
            self._ask("deal.reference", root, "it does not say which release is to be purged")
        return replace(
            self._head,
            releases=tuple(dict.fromkeys(name for name in names.values() if name)),
            purged=purged,
            said=tuple(dict.fromkeys(said)) if self._head.issuer else (),
            findings=tuple(self._findings()),
        )

    def _said_of(self, release: Element, name: str, deal_of: Element) -> list[Said]:
        if not name:
            self._ask("deal.reference", release, "a release has no identifier")
            return []
        recordings = self._recordings(release)
        if not recordings:
            self._ask("deal.no-recording", deal_of, "its release has no sound recording")
        said = []
        for deal in deal_of.iterfind("Deal"):
            terms = list(self._terms(deal, name, text_of(deal_of, "EffectiveDate")))
            for recording in recordings if terms else ():
                isrcs = self._isrcs(recording)
                title = text_of(recording, "DisplayTitleText") or text_of(
                    recording, "ReferenceTitle/TitleText"
                )
                said += [
                    Said(release=name, isrcs=isrcs, title=title, statement=statement)
                    for statement in terms
                    if isrcs
                ]
        return said

    def _recordings(self, release: Element) -> list[Element]:
        wanted = resources_of(release)
        return [
            recording
            for recording in self._root.iterfind("ResourceList/SoundRecording")
            if text_of(recording, "ResourceReference") in wanted
        ]

    def _isrcs(self, recording: Element) -> tuple[Isrc, ...]:
        codes: dict[Isrc, None] = {}
        for code in recording.iter("ISRC"):
            try:
                codes[parse_isrc(code.text or "")] = None
            except BadInput:
                self._ask("deal.no-isrc", code, f"{code.text} is no ISRC")
        if not codes:
            self._ask("deal.no-isrc", recording, "a sound recording has no ISRC")
        return tuple(codes)

    def _terms(self, deal: Element, release: str, effective: str) -> Iterator[Statement]:
        """The statements that one deal makes about each recording of `release`."""
        terms = deal.find("DealTerms")
        if terms is None:
            self._ask("deal.condition", deal, "it has no terms")
            return
        if is_true(terms, "TakeDown"):
            yield self._takedown(terms, release, _EXCEPT_PRESERVE)
            return
        if is_true(terms, "AllDealsCancelled"):
            yield self._takedown(terms, release, _EXCEPT_KEEPING)
            return
        periods = [self._period(period, effective) for period in terms.iterfind("ValidityPeriod")]
        if not periods:
            periods = [self._period(terms, effective)]
        uses = self._uses(terms) if self._is_free(terms) else ()
        if not uses or not self._is_plain(deal, terms):
            return
        places = self._places(terms)
        if places is None:
            return
        grant = self._head.statement(release, Kind.GRANT, uses)
        for period in filter(None, periods):
            yield replace(
                grant,
                begins_at=period[0],
                ends_at=period[1],
                territories=places[0],
                territories_except=places[1],
            )

    def _takedown(self, terms: Element, release: str, uses: tuple[Use, ...]) -> Statement:
        begins, known = moment_of(terms.find("ValidityPeriod"), "Start")
        places, strange = countries_of(terms, "TerritoryCode")
        if strange:
            self._ask("deal.territory", terms, f"{', '.join(strange)}: taken down everywhere")
        return replace(
            self._head.statement(release, Kind.TAKEDOWN, uses),
            # As a day: from its first moment, which restricts sooner, and which the calendar knows.
            begins_at=begins[:10] if known else "",
            territories=() if strange else places,
        )

    def _is_free(self, terms: Element) -> bool:
        models = [word_of(model) for model in terms.iterfind("CommercialModelType")]
        for model in models or ["(none)"]:
            if model in PAID:
                self._ask("deal.paid", terms, model)
            elif model != FREE:
                self._ask("deal.model", terms, model)
        return FREE in models

    def _uses(self, terms: Element) -> tuple[Use, ...]:
        uses = []
        for element in (*terms.iterfind("UseType"), *terms.iterfind("Usage/UseType")):
            word = word_of(element)
            if use := USES.get(word):
                uses.append(use)
            elif word in NO_USE_OF_OURS:
                self._ask("deal.use", element, word)
            else:
                self._ask("deal.use-unclear", element, word)
        return tuple(dict.fromkeys(uses))

    def _is_plain(self, deal: Element, terms: Element) -> bool:
        """Is there nothing else in it that could narrow it?"""
        strange = [element for element in deal if element is not terms]
        for element in terms:
            if element.tag == "Usage":
                strange += element
            elif element.tag not in READ and not is_false(element):
                strange.append(element)
        strange = [
            element
            for element in strange
            if element.tag != "UseType" and not WITHOUT_EFFECT.fullmatch(element.tag)
        ]
        for element in strange:
            if element.tag == "DistributionChannel":
                name = text_of(element, "PartyName/FullName") or text_of(element, "TradingName")
                self._ask("deal.channel", element, name or "a channel without a name")
            elif element.tag == "PriceInformation":
                self._ask("deal.contradiction", element, "free of charge, and yet it has a price")
            else:
                self._ask("deal.condition", element, element.tag)
        return not strange

    def _places(self, terms: Element) -> tuple[tuple[Territory, ...], tuple[Territory, ...]] | None:
        """(where, where not) a permission holds; None where that cannot be said."""
        countries, strange = countries_of(terms, "TerritoryCode")
        excepted, strange_exceptions = countries_of(terms, "ExcludedTerritoryCode")
        for code in (*strange, *strange_exceptions):
            self._ask("deal.territory", terms, f"{code} is no country of ISO 3166-1")
        named = terms.find("TerritoryCode") is not None
        if not named and terms.find("ExcludedTerritoryCode") is None:
            self._ask("deal.territory", terms, "no territory is named")
            return None
        if strange_exceptions or (strange and not countries):
            return None
        if countries and not set(countries) - set(excepted):
            self._ask("deal.contradiction", terms, "all of its territories are excepted")
            return None
        return countries, excepted

    def _period(self, period: Element, effective: str) -> tuple[str, str] | None:
        """(from, until) of a permission; None where that cannot be said."""
        begins, begins_known = moment_of(period, "Start")
        ends, ends_known = moment_of(period, "End")
        if not (begins_known and ends_known) or (effective and not parsed(effective)):
            self._ask("deal.dates", period, "a date that cannot be read")
            return None
        if effective:
            begins = max(begins, parsed(effective))
        if ends and ends <= begins:
            self._ask("deal.dates", period, f"it ends on {ends[:10]}, and begins on {begins[:10]}")
            return None
        return begins, ends

    def _notice_contradictions(self, said: Sequence[Said]) -> None:
        down = {one.isrcs for one in said if one.statement.kind is Kind.TAKEDOWN}
        for one in said:
            if one.statement.kind is Kind.GRANT and one.isrcs in down:
                self._ask(
                    "deal.contradiction",
                    self._root,
                    f"{one.isrcs[0]} is allowed and taken down; it is taken down",
                )

    def _ask(self, code: str, element: Element, detail: str) -> None:
        severity, remedy = _CODES[code]
        self._asked.setdefault((code, severity, remedy, detail[:120]), []).append(
            element.sourceline or 0
        )

    def _findings(self) -> Iterator[Finding]:
        if not self._head.issuer or not self._head.id:
            self._ask("deal.sender", self._root, "it does not say who sends it, or has no number")
        if self._head.test:
            self._ask("deal.test-message", self._root, "it is a test, and says nothing")
        for (code, severity, remedy, detail), lines in self._asked.items():
            times = f", {len(lines)} times" if len(lines) > 1 else ""
            yield Finding(
                code=code,
                severity=severity,
                message=f"{detail}{times}",
                remedy=remedy,
                where=f"{self._where}:{lines[0]}",
            )


_PERSON = "read the agreement, and enter what it allows with `sonotheque rights claim`"
_CODES = {
    "deal.paid": (Severity.INFO, "nothing to do: the archive neither sells nor advertises"),
    "deal.use": (Severity.INFO, "nothing to do: it is no use of the archive's"),
    "deal.none": (Severity.INFO, "nothing to do: what was allowed before lapses"),
    "deal.no-recording": (Severity.INFO, "nothing to do: it is about something else"),
    "deal.model": (Severity.WARNING, _PERSON),
    "deal.use-unclear": (Severity.WARNING, _PERSON),
    "deal.channel": (Severity.WARNING, _PERSON),
    "deal.condition": (Severity.WARNING, _PERSON),
    "deal.territory": (Severity.WARNING, _PERSON),
    "deal.no-isrc": (Severity.WARNING, "ask the sender for the ISRC"),
    "deal.ai-contribution": (Severity.WARNING, "ask who has a say in it, and describe it so"),
    "deal.contradiction": (Severity.WARNING, "ask the sender which holds"),
    "deal.dates": (Severity.ERROR, "ask the sender for the right dates"),
    "deal.sender": (Severity.ERROR, "ask who says so: a claim is somebody's"),
    "deal.reference": (Severity.ERROR, "ask the sender for a whole message"),
    "deal.test-message": (Severity.ERROR, "ask for the live message"),
}
