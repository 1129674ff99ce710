"""The picture of a match in the reader's language: what is written into it. Pure."""

from __future__ import annotations

from sonotheque.access.explanations import clean, quoted
from sonotheque.access.language import Language
from sonotheque.matching.picture import Captions, Laid, draw
from sonotheque.model.music import Description, Match, MatchKind

_TEMPO_NOTICED, _CENTS_NOTICED = 0.002, 10


def picture(
    file: str,
    held: Description,
    match: Match,
    laid: Laid,
    language: Language,
    *,
    key: str = "",
) -> str:
    """SVG of `file` on the recording of `match`, which is `held`. With a `key`, unlike others', it
    is a part of a page; without, a file of its own."""
    captions = captions_of(file, held, match, laid, language)
    return draw(laid, captions, key=key, language=language.code)


def captions_of(
    file: str, held: Description, match: Match, laid: Laid, language: Language
) -> Captions:
    """The words of the picture, as `picture` draws it."""
    heading = language.text(f"aligned.kind.{match.kind.value}") + _change(match, language)
    if match.is_suspect:
        heading = language.text("aligned.perhaps", what=heading)
    name = clean(held.title, 60) or match.recording
    if held.artist:
        name = f"{name} · {clean(held.artist, 60)}"
    begin, _ = laid.common_ms
    place = language.text(
        "aligned.place",
        here=_clock(begin, language),
        there=_clock(laid.tempo * begin + laid.start_ms, language),
    )
    alike = language.text(
        "aligned.alike",
        common=language.duration(match.overlap_ms),
        share=language.number(100 * match.similarity, 1),
    )
    landmarks = language.text("aligned.none")
    if laid.coinciding:
        landmarks = language.text(
            "aligned.landmarks",
            n=language.number(laid.coinciding),
            of=language.number(laid.possible),
        )
    notes = (place, landmarks, alike)
    text = [heading + ".", *notes, language.text("aligned.description")]
    if laid.is_part:
        text.append(language.text("aligned.part"))
    return Captions(
        title=language.text("aligned.title", file=quoted(file), recording=quoted(name)),
        description=" ".join(text),
        heading=heading,
        upper=language.text("aligned.file", name=quoted(file)),
        lower=language.text("aligned.recording", name=quoted(name)),
        notes=notes,
    )


def _change(match: Match, language: Language) -> str:
    """What was done to a modified copy."""
    if match.kind is not MatchKind.MODIFIED_COPY:
        return ""
    changes = [language.text("aligned.change.inverted")] if match.is_inverted else []
    if match.speed is not None and abs(match.speed - 1) >= _TEMPO_NOTICED:
        changes.append(language.text("aligned.change.speed", n=language.number(match.speed, 3)))
    else:
        if abs(match.tempo - 1) >= _TEMPO_NOTICED:
            changes.append(language.text("aligned.change.tempo", n=language.number(match.tempo, 3)))
        if abs(match.pitch_cents) >= _CENTS_NOTICED:
            height = "higher" if match.pitch_cents > 0 else "lower"
            cents = language.number(abs(match.pitch_cents))
            changes.append(language.text(f"aligned.change.{height}", n=cents))
    return "".join(f", {change}" for change in changes)


def _clock(at_ms: float, language: Language) -> str:
    """To a tenth of a second: 4:05.2, or as the language writes it."""
    minutes, tenths = divmod(round(at_ms / 100), 600)
    seconds = language.number(tenths / 10, 1)
    return f"{minutes}:{seconds if tenths >= 100 else f'0{seconds}'}"
