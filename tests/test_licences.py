"""Every run-time dependency has a licence that suits an Apache-2.0 package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "sonotheque"

# SPDX identifiers (https://spdx.org/licenses/) that allow use from Apache-2.0 code, and that ask
# nothing of it but to be named.
SUITABLE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0"),
        *("OLDAP-2.8", "PSF-2.0", "Unlicense", "Zlib"),
    }
)
CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
# Licences by their text in the metadata field `License`, where it is no SPDX expression.
WRITTEN = {
    "BSD": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "MIT License": "MIT",
}
EXCEPTIONS = {
    "bagit": "a work of the United States government, in the public domain",
    "certifi": "MPL-2.0 covers its one data file, which is used as it is",
}
BUNDLED = {
    "av": "FFmpeg, built as LGPL-3.0-or-later, with codecs of several licences (x264 and x265 are"
    " GPL-2.0-or-later); dynamically linked in its own wheel, which this project does not pass on"
    " and can be run with another FFmpeg",
    "numpy": "OpenBLAS (BSD), libgfortran and libquadmath (GPL-3.0 with the GCC run-time"
    " exception, LGPL); dynamically linked in its own wheel",
    "pyarrow": "Arrow and Parquet themselves (Apache-2.0)",
    "soundfile": "libsndfile (LGPL-2.1-or-later), dynamically linked in its own wheel",
}


def _run_time() -> dict[str, metadata.Distribution]:
    """Name → distribution of everything that this platform installs for the project."""
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [Requirement(PROJECT)]
    while queue:
        wanted = queue.pop()
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        found[name] = metadata.distribution(name)
        for line in found[name].requires or ():
            needed = Requirement(line)
            extras = wanted.extras or {""}
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                queue.append(needed)
    del found[PROJECT]
    return found


def _licences(about: metadata.PackageMetadata) -> Iterator[str]:
    """What the metadata says, best first: SPDX expression, classifiers, then the free field."""
    if "License-Expression" in about:
        yield about["License-Expression"]
        return
    for classifier in about.get_all("Classifier") or ():
        if classifier.startswith("License :: ") and classifier != "License :: OSI Approved":
            yield CLASSIFIERS.get(classifier, classifier)
    if "License" in about:
        head = about["License"].strip().partition("\n")[0].strip()
        if head in WRITTEN or re.fullmatch(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*", head):
            yield WRITTEN.get(head, head)


def suits(expression: str) -> bool:
    """Whether an SPDX expression without brackets leaves a choice of suitable licences alone."""
    choices = re.split(r"\s+OR\s+", expression)
    return any(
        all(licence in SUITABLE for licence in re.split(r"\s+AND\s+", choice)) for choice in choices
    )


RUN_TIME = _run_time()


@pytest.mark.parametrize("name", sorted(RUN_TIME))
def test_licence_suits(name: str) -> None:
    found = list(_licences(RUN_TIME[name].metadata))
    if name in EXCEPTIONS:
        assert not all(map(suits, found)), f"{name} needs no exception any more"
    else:
        assert found, f"{name} does not say under which licence it is"
        assert all(map(suits, found)), f"{name}: {found}"


def test_exceptions_are_of_packages_that_are_used() -> None:
    assert {*EXCEPTIONS, *BUNDLED} <= {*RUN_TIME}


@pytest.mark.parametrize("name", sorted(RUN_TIME))
def test_libraries_of_others_in_a_wheel_are_listed(name: str) -> None:
    """Metadata speaks of the package; what lies in its wheel may be under another licence."""
    carried = [str(path) for path in RUN_TIME[name].files or () if _is_library(path)]
    assert not carried or name in BUNDLED, f"{name} carries {carried}"


def _is_library(path: PurePosixPath) -> bool:
    in_libs = any(part.endswith(".libs") for part in path.parts)
    return in_libs or bool(re.match(r"lib[a-zA-Z].*\.so", path.name))


@pytest.mark.parametrize(
    "expression",
    [
        *("GPL-3.0-or-later", "AGPL-3.0-only", "LGPL-2.1-only", "MIT AND GPL-2.0-only", "UNKNOWN"),
        *("", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"),
    ],
)
def test_what_does_not_suit_is_told_apart(expression: str) -> None:
    assert not suits(expression)


def test_a_choice_is_enough() -> None:
    assert suits("GPL-2.0-only OR MIT")


def test_our_own_licence_is_the_one_that_is_declared() -> None:
    text = (Path(__file__).parents[1] / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert metadata.metadata(PROJECT)["License-Expression"] == "Apache-2.0"
