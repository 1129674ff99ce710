"""Which public licences there are: facts, as their keepers publish them.

Creative Commons: the licences of its own list of legal tools (config/cc-legal-tools.csv of its
cc-legal-tools-data, 2026), whose addresses are `licenses/<unit>/<version>/[<port>/]`. SPDX:
identifiers of https://spdx.org/licenses/ that let a recording be copied. RightsStatements.org: the
twelve statements of version 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping

_SIX = ("by", "by-nc", "by-nc-nd", "by-nc-sa", "by-nd", "by-sa")
_PORTS: Mapping[str, str] = {
    "1.0": "fi il nl",
    "2.0": "at au be br ca cl de es fr hr it jp kr nl pl tw uk za",
    "2.1": "au ca es jp",
    "2.5": "ar au bg br ca ch cn co dk es hr hu il in it mk mt mx my nl pe pl pt scotland se si tw"
    " za",
    "3.0": "am at au az br ca ch cl cn cr cz de ec ee eg es fr ge gr gt hk hr ie igo it lu nl no nz"
    " ph pl pr pt ro rs sg th tw ug us ve vn za",
    "4.0": "",
}
_UNPORTED = frozenset(_PORTS) - {"2.1"}
# Retired ones, among them those that name no author; * is the one without a port.
_RETIRED: Mapping[tuple[str, str], str] = {
    ("nc", "1.0"): "* fi nl",
    ("nc-sa", "1.0"): "* fi nl",
    ("nd", "1.0"): "* fi nl",
    ("nd-nc", "1.0"): "* fi nl",
    ("sa", "1.0"): "* fi nl",
    ("nc", "2.0"): "jp",
    ("nc-sa", "2.0"): "jp",
    ("nd", "2.0"): "jp",
    ("nd-nc", "2.0"): "jp",
    ("sa", "2.0"): "jp",
    ("sampling", "1.0"): "* br tw",
    ("sampling+", "1.0"): "* br de tw",
    ("nc-sampling+", "1.0"): "* tw",
    ("devnations", "2.0"): "*",
}


def _creative_commons() -> dict[tuple[str, str], frozenset[str]]:
    ports = {
        (unit, version): frozenset([*_PORTS[version].split(), *([""] * (version in _UNPORTED))])
        for unit in _SIX
        for version in _PORTS
    }
    for key, text in _RETIRED.items():
        ports[key] = frozenset("" if port == "*" else port for port in text.split())
    # Version 1.0 names these elements in another order; both are met with.
    ports["by-nd-nc", "1.0"] = ports["by-nc-nd", "1.0"]
    return ports


CREATIVE_COMMONS = _creative_commons()
"""The ports of each (unit, version) that exists; "" is the one without."""

NOT_OF_THE_WHOLE = frozenset({"sampling", "devnations"})
"""Of those, what lets nobody copy a whole recording, or not everywhere: Sampling 1.0 gives pieces
to be made anew, Developing Nations 2.0 holds where the World Bank counts no high income."""

SPDX: Mapping[str, str] = {
    "0BSD": "BSD Zero Clause License",
    "AGPL-3.0-only": "GNU AGPL 3.0",
    "AGPL-3.0-or-later": "GNU AGPL 3.0 or later",
    "Apache-2.0": "Apache License 2.0",
    "Artistic-2.0": "Artistic License 2.0",
    "BSD-2-Clause": "BSD 2-Clause License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "BSL-1.0": "Boost Software License 1.0",
    "EUPL-1.2": "European Union Public Licence 1.2",
    "GFDL-1.2-only": "GNU Free Documentation License 1.2",
    "GFDL-1.2-or-later": "GNU Free Documentation License 1.2 or later",
    "GFDL-1.3-only": "GNU Free Documentation License 1.3",
    "GFDL-1.3-or-later": "GNU Free Documentation License 1.3 or later",
    "GPL-2.0-only": "GNU GPL 2.0",
    "GPL-2.0-or-later": "GNU GPL 2.0 or later",
    "GPL-3.0-only": "GNU GPL 3.0",
    "GPL-3.0-or-later": "GNU GPL 3.0 or later",
    "ISC": "ISC License",
    "LAL-1.2": "Free Art License 1.2",
    "LAL-1.3": "Free Art License 1.3",
    "LGPL-2.1-only": "GNU LGPL 2.1",
    "LGPL-2.1-or-later": "GNU LGPL 2.1 or later",
    "LGPL-3.0-only": "GNU LGPL 3.0",
    "LGPL-3.0-or-later": "GNU LGPL 3.0 or later",
    "MIT": "MIT License",
    "MIT-0": "MIT No Attribution",
    "Unlicense": "The Unlicense",
    "WTFPL": "WTFPL",
    "Zlib": "zlib License",
}
"""Licences made for other things than music, but met on it, as people call them."""
SPDX_DEPRECATED: Mapping[str, str] = {
    "AGPL-3.0": "AGPL-3.0-only",
    "GFDL-1.2": "GFDL-1.2-only",
    "GFDL-1.3": "GFDL-1.3-only",
    "GPL-2.0": "GPL-2.0-only",
    "GPL-2.0+": "GPL-2.0-or-later",
    "GPL-3.0": "GPL-3.0-only",
    "GPL-3.0+": "GPL-3.0-or-later",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPL-2.1+": "LGPL-2.1-or-later",
    "LGPL-3.0": "LGPL-3.0-only",
    "LGPL-3.0+": "LGPL-3.0-or-later",
}
PUBLIC_DOMAIN_SPDX = frozenset({"Unlicense"})

RIGHTS_STATEMENTS: Mapping[str, str] = {
    "InC": "In Copyright",
    "InC-OW-EU": "In Copyright – EU Orphan Work",
    "InC-EDU": "In Copyright – Educational Use Permitted",
    "InC-NC": "In Copyright – Non-Commercial Use Permitted",
    "InC-RUU": "In Copyright – Rights-Holder(s) Unlocatable or Unidentifiable",
    "NoC-CR": "No Copyright – Contractual Restrictions",
    "NoC-NC": "No Copyright – Non-Commercial Use Only",
    "NoC-OKLR": "No Copyright – Other Known Legal Restrictions",
    "NoC-US": "No Copyright – United States",
    "CNE": "Copyright Not Evaluated",
    "UND": "Copyright Undetermined",
    "NKC": "No Known Copyright",
}
"""What an institution says of the rights in what it shows. Two say that something is allowed to
everybody: InC-NC, and NoC-US in one country. NoC-NC tells of a contract with whoever digitised it,
InC-EDU of a purpose that a use does not have; the others allow nothing."""
