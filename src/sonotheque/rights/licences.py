"""Public licences: recognised by their URL or SPDX identifier, never guessed from prose.

What a licence allows is read off its own terms. None of them is consent to train a model:
that is asked for on its own (DESIGN.md, section 1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sonotheque.model.terms import TRAINING, Basis, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.licence_tables import (
    CREATIVE_COMMONS,
    NOT_OF_THE_WHOLE,
    PUBLIC_DOMAIN_SPDX,
    RIGHTS_STATEMENTS,
    SPDX,
    SPDX_DEPRECATED,
)

PUBLIC_USES = tuple(use for use in Use if use not in TRAINING)

# Where an address ends; a full stop may end the sentence that it stands in. What comes after the
# port (/deed.fr, /legalcode, /rdf) is a format; any other tail is that of no address there is.
_END = r"(?![\w+-]|\.\w)"
_CC_URL = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(?:"
    rf"licenses/publicdomain{_END}"
    r"|publicdomain/(?P<tool>zero|mark)/1\.0" + _END + rf"|publicdomain/certification/1\.0/us{_END}"
    r"|licenses/(?P<unit>[a-z+-]+)/(?P<version>\d+\.\d+)"
    rf"(?:/(?!rdf\b|deed\b|legalcode\b)(?P<port>[a-z]+))?+{_END}"
    r"|(?P<other>(?:licenses|publicdomain)/[a-z+-]+/\d\S*))",
    re.IGNORECASE | re.ASCII,
)
_CC_SPDX = re.compile(
    r"CC-(?P<unit>BY(?:-NC)?(?:-SA|-ND)?|SA)-(?P<version>\d\.\d)(?:-(?P<port>[A-Z]+))?"
)
_RIGHTS_STATEMENT = re.compile(
    r"https?://(?:www\.)?rightsstatements\.org/(?:vocab|page|data)/(?P<code>[A-Za-z-]+)/1\.0"
    + _END,
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Licence:
    """A recognised public licence, or another statement with an address of its own. `url` is its
    deed, empty where it has none."""

    identifier: str
    name: str
    url: str
    public_domain: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False
    uses: tuple[Use, ...] = PUBLIC_USES
    """What it allows a non-commercial archive and its readers to do; empty where it allows them
    nothing, or nothing that can be said without asking."""
    territories: tuple[Territory, ...] = ()
    """Where it holds; empty for everywhere."""
    is_of_holder: bool = True
    """Given by one who has the rights. False for a label that anybody puts on."""

    @property
    def basis(self) -> Basis:
        """The ground of a grant by it."""
        return Basis.PUBLIC_DOMAIN if self.public_domain else Basis.LICENCE


_CC = "https://creativecommons.org/"
_CC_TOOLS = {
    "zero": Licence("CC0-1.0", "CC0 1.0", f"{_CC}publicdomain/zero/1.0/", public_domain=True),
    "mark": Licence(
        "CC-PDM-1.0",
        "Public Domain Mark 1.0",
        f"{_CC}publicdomain/mark/1.0/",
        public_domain=True,
        is_of_holder=False,
    ),
}
_PUBLIC_DOMAIN_DEDICATION = Licence(
    "CC-PDDC",
    "Public Domain Dedication",
    f"{_CC}publicdomain/certification/1.0/us/",
    public_domain=True,
)
_BY_IDENTIFIER = {
    **{licence.identifier: licence for licence in (*_CC_TOOLS.values(), _PUBLIC_DOMAIN_DEDICATION)},
    **{
        identifier: Licence(identifier, name, "", public_domain=identifier in PUBLIC_DOMAIN_SPDX)
        for identifier, name in SPDX.items()
    },
}


def find_licence(text: str) -> Licence | None:
    """The one public licence that `text` names by URL or SPDX identifier.

    None where it names none that exists, or more than one: which of them holds is for a person to
    say.
    """
    found = {_of_url(match) for match in _CC_URL.finditer(text)}
    found |= {_of_rights_statement(match["code"]) for match in _RIGHTS_STATEMENT.finditer(text)}
    if not found:
        found = {_of_spdx(text.strip())}
    return found.pop() if len(found) == 1 else None


def name_of(licence: str) -> str:
    """`licence` as people call it, "CC BY-SA 3.0"; itself where it is not recognised."""
    known = find_licence(licence)
    return known.name if known else licence


def _of_url(match: re.Match[str]) -> Licence | None:
    if match["other"]:
        return None
    if match["tool"]:
        return _CC_TOOLS[match["tool"].lower()]
    if not match["unit"]:
        return _PUBLIC_DOMAIN_DEDICATION
    return _creative_commons(match)


def _of_spdx(word: str) -> Licence | None:
    if match := _CC_SPDX.fullmatch(word):
        return _creative_commons(match)
    return _BY_IDENTIFIER.get(SPDX_DEPRECATED.get(word, word))


def _of_rights_statement(code: str) -> Licence | None:
    if code not in RIGHTS_STATEMENTS:
        return None
    everywhere = code != "NoC-US"
    return Licence(
        code,
        f"{RIGHTS_STATEMENTS[code]} (RightsStatements.org)",
        f"https://rightsstatements.org/vocab/{code}/1.0/",
        public_domain=code == "NoC-US",
        non_commercial=code == "InC-NC",
        uses=PUBLIC_USES if code in ("InC-NC", "NoC-US") else (),
        territories=() if everywhere else (Territory("US"),),
        is_of_holder=False,
    )


def _creative_commons(match: re.Match[str]) -> Licence | None:
    unit, version, port = match["unit"].lower(), match["version"], (match["port"] or "").lower()
    if port not in CREATIVE_COMMONS.get((unit, version), ()):
        return None
    elements = unit.replace("by-nd-nc", "by-nc-nd")
    tail = f"-{port.upper()}" if port else ""
    path = "by-nd-nc" if (elements, version) == ("by-nc-nd", "1.0") else elements
    return Licence(
        f"CC-{elements.upper()}-{version}{tail}",
        f"CC {elements.upper()} {version}{f' {port.upper()}' if port else ''}",
        f"{_CC}licenses/{path}/{version}/{f'{port}/' if port else ''}",
        non_commercial="nc" in elements,
        no_derivatives="nd" in elements.split("-"),
        uses=() if elements in NOT_OF_THE_WHOLE else PUBLIC_USES,
    )
