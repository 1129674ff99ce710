"""Public licences: recognised by their URL or SPDX identifier, never guessed from prose.

What a licence allows is read off its own terms. None of them is consent to train a model:
that is asked for on its own (DESIGN.md, section 1). What has an address and allows nothing by
itself is in `notices`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sonotheque.model.terms import TRAINING, Use

PUBLIC_USES = tuple(use for use in Use if use not in TRAINING)

# Deed URLs: licences/<elements>/<version>[/<port>] and publicdomain/{zero,mark}/1.0. Version 1.0
# names BY-NC-ND's elements in another order, and has five licences without BY, which Japan ported
# as 2.0; /rdf is a format and no port. A full stop may end the sentence that the URL stands in.
_CC_URL = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/"
    r"(?:licenses/(?P<elements>by(?:-nc)?(?:-sa|-nd)?|by-nd-nc(?=/1)"
    r"|(?:nc|nd|sa|nc-sa|nd-nc|nc-nd)(?=/(?:1\.0|2\.0/jp)))/"
    r"(?P<version>[134]\.0|2\.[015])(?:/(?!rdf\b)(?P<port>[a-z]{2,3}|scotland))?"
    r"|publicdomain/(?P<tool>zero|mark)/1\.0)(?![\w-]|\.\w)",
    re.IGNORECASE | re.ASCII,
)
_CC_SPDX = re.compile(
    r"CC-(?P<elements>BY(?:-NC)?(?:-SA|-ND)?|SA(?=-1\.0))-(?P<version>[134]\.0|2\.[015])"
    r"(?:-(?P<port>[A-Z]{2,3}))?"
)


@dataclass(frozen=True, slots=True)
class Licence:
    """A recognised public licence. `url` is its deed, empty where it has none."""

    identifier: str
    name: str
    url: str
    public_domain: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False

    @property
    def uses(self) -> tuple[Use, ...]:
        """What the licence allows a non-commercial archive and its readers to do."""
        return PUBLIC_USES


_CC_TOOLS = {
    "zero": Licence(
        "CC0-1.0",
        "CC0 1.0",
        "https://creativecommons.org/publicdomain/zero/1.0/",
        public_domain=True,
    ),
    "mark": Licence(
        "CC-PDM-1.0",
        "Public Domain Mark 1.0",
        "https://creativecommons.org/publicdomain/mark/1.0/",
        public_domain=True,
    ),
}
# With other free licences met on recorded music, by SPDX identifier (https://spdx.org/licenses/).
_BY_IDENTIFIER = {
    licence.identifier: licence
    for licence in (
        *_CC_TOOLS.values(),
        Licence("LAL-1.2", "Free Art License 1.2", ""),
        Licence("LAL-1.3", "Free Art License 1.3", ""),
        *(
            Licence(f"GFDL-{version}{more}{end}", f"GNU Free Documentation License {version}", "")
            for version in ("1.1", "1.2", "1.3")
            for more in ("", "-no-invariants", "-invariants")
            for end in ("-only", "-or-later")
        ),
        Licence("MIT", "MIT License", ""),
        Licence("MIT-0", "MIT No Attribution", ""),
        Licence("0BSD", "BSD Zero Clause License", ""),
        Licence("Apache-2.0", "Apache License 2.0", ""),
        Licence("Unlicense", "The Unlicense", "", public_domain=True),
    )
}


def find_licence(text: str) -> Licence | None:
    """The one public licence that `text` names by URL or SPDX identifier.

    None where it names none, or more than one: which of them holds is for a person to say.
    """
    found = {_of_url(match) for match in _CC_URL.finditer(text)}
    word = text.strip()
    if not found and (spdx := _of_spdx(word)):
        found = {spdx}
    return found.pop() if len(found) == 1 else None


def name_of(licence: str) -> str:
    """`licence` as people call it, "CC BY-SA 3.0"; itself where it is not recognised."""
    known = find_licence(licence)
    return known.name if known else licence


def _of_url(match: re.Match[str]) -> Licence:
    if match["tool"]:
        return _CC_TOOLS[match["tool"].lower()]
    return _creative_commons(match)


def _of_spdx(word: str) -> Licence | None:
    if match := _CC_SPDX.fullmatch(word):
        return _creative_commons(match)
    return _BY_IDENTIFIER.get(word)


def _creative_commons(match: re.Match[str]) -> Licence:
    elements = match["elements"].lower().replace("nd-nc", "nc-nd")
    version, port = match["version"], (match["port"] or "").lower()
    tail = f"-{port.upper()}" if port else ""
    path = elements
    if version == "1.0" or "by" not in elements:
        path = elements.replace("nc-nd", "nd-nc")
    return Licence(
        f"CC-{elements.upper()}-{version}{tail}",
        f"CC {elements.upper()} {version}{f' {port.upper()}' if port else ''}",
        f"https://creativecommons.org/licenses/{path}/{version}/{f'{port}/' if port else ''}",
        non_commercial="nc" in elements,
        no_derivatives="nd" in elements,
    )
