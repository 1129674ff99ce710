"""The words of DDEX messages: allowed values, countries and moments, as an element has them. Pure.

Allowed values after the DDEX data dictionary; those of a version that we do not know yet are none
of these, and so are left to a person.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from sonotheque.model.terms import Use
from sonotheque.model.territories import COUNTRIES, Territory
from sonotheque.store.markup import Element, text_of

USES = {
    "Stream": Use.STREAM,
    "OnDemandStream": Use.STREAM,
    "Download": Use.DOWNLOAD,
    "PermanentDownload": Use.DOWNLOAD,
    "UseForIdentification": Use.IDENTIFY,
}
NO_USE_OF_OURS = frozenset(
    (
        "Broadcast",
        "Cable",
        "ConditionalDownload",
        "ContentInfluencedStream",
        "Display",
        "Dub",
        "DubForLivePerformance",
        "DubForMovies",
        "DubForMusicOnHold",
        "DubForOnDemandStreaming",
        "DubForPublicPerformance",
        "DubForRadio",
        "DubForTV",
        "ExtractForInternet",
        "KioskDownload",
        "Narrowcast",
        "NonInteractiveStream",
        "Perform",
        "PerformAsMusicOnHold",
        "PerformInLivePerformance",
        "PerformInPublic",
        "PlayInPublic",
        "Playback",
        "Podcast",
        "Print",
        "PrivateCopy",
        "PurchaseAsPhysicalProduct",
        "Rent",
        "Simulcast",
        "TetheredDownload",
        "TimeInfluencedStream",
        "UseAsAlertTone",
        "UseAsDevice",
        "UseAsKaraoke",
        "UseAsRingbackTone",
        "UseAsRingbackTune",
        "UseAsRingtone",
        "UseAsRingtune",
        "UseAsScreensaver",
        "UseAsVoiceMail",
        "UseAsWallpaper",
        "UseInMobilePhoneMessaging",
        "UseInPhoneListening",
        "UserMakeAvailableLabelProvided",
        "UserMakeAvailableUserProvided",
        "Webcast",
    )
)
NAME_CHARACTERS_MAX = 200
"""An entry of the ledger has a bound; whoever fills it with a name has none."""

FREE = "FreeOfChargeModel"
PAID = ("AdvertisementSupportedModel", "PayAsYouGoModel", "SubscriptionModel")
WITHOUT_EFFECT = re.compile(
    r"(?:Release|TrackListing|ClipPreview|CoverArt|CoverArtPreview|TrackListingPreview"
    r"|ReleaseDisplay)\w*StartDate(?:Time)?|DealReference|DealReleaseReference|ReleaseVisibility\w*"
)
"""When a shop may announce it; names of the deal."""
READ = ("CommercialModelType", "TerritoryCode", "ExcludedTerritoryCode", "ValidityPeriod")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UNKNOWN_YEAR = "9999"
"""Stands for a date that the sender does not know (general conformance rules, 6.2.4)."""


def name_at(element: Element, path: str) -> str:
    """The text at `path` on one line; empty where there is none, or more than a name has."""
    name = " ".join(text_of(element, path).split())
    return name if len(name) <= NAME_CHARACTERS_MAX else ""


def identifier_of(release: Element) -> str:
    """What a release is known by, in every message about it."""
    for path in ("ReleaseId/GRid", "ReleaseId/ICPN", "ReleaseId/ISRC"):
        if found := name_at(release, path):
            return found
    proprietary = release.find("ReleaseId/ProprietaryId")
    own = name_at(release, "ReleaseId/ProprietaryId")
    return f"{(proprietary.get('Namespace') or '')[:NAME_CHARACTERS_MAX]}:{own}" if own else ""


def resources_of(release: Element) -> frozenset[str]:
    """The references of what is on a release."""
    return frozenset(
        (reference.text or "").strip() for reference in release.iter("ReleaseResourceReference")
    )


def word_of(element: Element) -> str:
    """An allowed value, or the sender's own."""
    own = element.get("UserDefinedValue")
    word = (element.text or "").strip()
    return f"{word} ({own})" if own else word


def countries_of(terms: Element, tag: str) -> tuple[tuple[Territory, ...], tuple[str, ...]]:
    """(the countries at `tag`, what is none); Worldwide is no country and nothing strange."""
    codes = [(element.text or "").strip() for element in terms.iterfind(tag)]
    if "Worldwide" in codes and tag == "TerritoryCode":
        return (), ()
    countries = sorted({Territory(code) for code in codes} & COUNTRIES)
    return tuple(countries), tuple(code for code in codes if code not in COUNTRIES)


def moment_of(period: Element, which: str) -> tuple[str, bool]:
    """(the `which` of a period, empty where it has none; can it be read?)"""
    said = text_of(period, f"{which}DateTime") or text_of(period, f"{which}Date")
    moment = parsed(said)
    return moment, bool(moment) or not said


def parsed(said: str) -> str:
    """A day, or a moment in UTC, as statements have it; empty for what is neither."""
    if said.startswith(_UNKNOWN_YEAR):
        return ""
    try:
        if _DATE.fullmatch(said):
            return date.fromisoformat(said).isoformat()
        moment = datetime.fromisoformat(said) if _DATE.match(said) else None
        if moment is None:
            return ""
        if moment.tzinfo is None:
            return moment.date().isoformat()
        return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return ""


def is_true(terms: Element, tag: str) -> bool:
    """Does a flag say yes?"""
    return text_of(terms, tag) in ("true", "1")


def is_false(element: Element) -> bool:
    """Is it a flag that says no?"""
    return len(element) == 0 and (element.text or "").strip() in ("false", "0")
