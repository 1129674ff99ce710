"""What OCFL 1.0 and 1.1 ask of an inventory, by the codes of the specification
(https://ocfl.io/1.1/spec/validation-codes.html). Pure; `validation` looks at the files.

Where one fault breaks several rules, the codes are those of the rules which say it most precisely,
and always those that the specification's own examples of bad objects name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

SPECS = ("1.0", "1.1")
CONTENT = "content"
DIGEST_DIGITS = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32, "blake2b-512": 128}
"""Hexadecimal digits of the digests of the specification's own list."""
EXTENSION_DIGITS = {"blake2b-160": 40, "blake2b-256": 64, "blake2b-384": 96, "sha512/256": 64}
"""Of those that extension 0009 adds, for the fixity block."""
SIZE = "size"
"""Another of them, which is no digest but a number of bytes."""
_TYPE = re.compile(r"https://ocfl\.io/(\d+\.\d+)/spec/#inventory")
_VERSION = re.compile(r"v(0*)([1-9]\d*)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
# RFC 3339, section 5.6, with the ranges that it names; which days a month has is asked apart.
_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
)
_HEX_CODES = {"sha1": "E029", "sha256": "E030", "sha512": "E031", "blake2b-512": "E032"}
"""Of the rule that a digest is written in hexadecimal digits, where an algorithm has one."""
_KEYS = {"id", "type", "digestAlgorithm", "head", "contentDirectory", "manifest", "versions"}
_OF_VERSION = {"created", "state", "message", "user"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that is broken: E… must, W… should. `where` is a path from the object."""

    code: str
    message: str
    where: str

    @property
    def is_error(self) -> bool:
        return self.code.startswith("E")


@dataclass(slots=True)
class Checked:
    """An inventory as far as it could be understood, and what is wrong with it.

    `manifest` maps content paths to lower-case digests, `fixity` content paths to digests by
    algorithm, `states` each version's logical paths to the content paths that hold their bytes,
    `blocks` each version to its block; `spec` is what its `type` says.
    """

    where: str
    spec: str
    problems: list[Problem] = field(default_factory=list)
    id: str = ""
    algorithm: str = "sha512"
    content_directory: str = CONTENT
    content_directory_set: bool = False
    versions: list[str] = field(default_factory=list)
    manifest: dict[str, str] = field(default_factory=dict)
    fixity: dict[str, dict[str, str]] = field(default_factory=dict)
    states: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    blocks: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        return not any(problem.is_error for problem in self.problems)

    def note(self, code: str, message: str) -> None:
        """Note that the rule `code` is broken."""
        self.problems.append(Problem(code, message, self.where))


def check(document: bytes, where: str, spec: str) -> Checked:
    """Check the inventory `document` at `where`; `spec` is the version to go by where the
    inventory itself names none."""
    checked = Checked(where, spec)
    try:
        text = document.decode("utf-8")
        raw = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
        if r"\ud" in text.lower():
            # JSON can spell half a character, which no name and no text can hold.
            json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        checked.note("E033", f"it is not JSON in UTF-8 ({str(error)[:120]})")
        return checked
    if not isinstance(raw, dict):
        checked.note("E033", "it is no JSON object")
        return checked
    _head_lines(checked, raw)
    if checked.algorithm not in ("sha512", "sha256"):
        return checked
    unchanged = _manifest(checked, raw)
    used = _versions(checked, raw, unchanged)
    if checked.versions and raw.get("head") != checked.versions[-1] and "head" in raw:
        checked.note("E040", f"head is {str(raw['head'])[:40]!r}, not {checked.versions[-1]}")
    _content_paths(checked, raw)
    if checked.spec != "1.0" and (unused := unchanged - used):
        checked.note("E107", f"no version uses the digest {min(unused)[:16]}… of its manifest")
    _fixity(checked, raw)
    return checked


def check_prior(newest: Checked, prior: Checked) -> None:
    """Check that `prior` tells the beginning of what `newest` tells; notes it in `prior`."""
    if prior.id and newest.id and prior.id != newest.id:
        for code in ("E037", "E110") if prior.spec != "1.0" else ("E037",):
            message = f"its id is {prior.id[:60]!r}, and that of the object {newest.id[:60]!r}"
            prior.note(code, message)
    if newest.content_directory_set and not prior.content_directory_set:
        prior.note("E019", "it does not set the contentDirectory that a later one sets")
    elif newest.content_directory != prior.content_directory:
        for code in ("E019", "E020"):
            prior.note(code, f"its contentDirectory is {prior.content_directory[:40]!r}")
    if not set(prior.versions) < set(newest.versions):
        prior.note("E066", "it has versions that the newest inventory has not")
        return
    for version in prior.versions:
        before = prior.states.get(version, {})
        after = newest.states.get(version, {})
        if before.keys() != after.keys() or any(
            not paths <= after[logical] or not _same_digests(newest, prior, paths)
            for logical, paths in before.items()
        ):
            prior.note("E066", f"it tells another state of {version} than the newest inventory")
        one, other = prior.blocks.get(version, {}), newest.blocks.get(version, {})
        for key in ("created", "message", "user"):
            if one.get(key) != other.get(key):
                prior.note("W011", f"{key} of {version} is another than in the newest inventory")


def _same_digests(newest: Checked, prior: Checked, paths: Iterable[str]) -> bool:
    # Where the algorithm changed between the two, the files themselves are asked later.
    return newest.algorithm != prior.algorithm or all(
        newest.manifest.get(path) == prior.manifest.get(path) for path in paths
    )


def _head_lines(checked: Checked, raw: Mapping[str, Any]) -> None:
    for key in ("id", "type", "digestAlgorithm", "head"):
        if key not in raw:
            checked.note("E036", f"it has no {key}")
    if unknown := sorted(raw.keys() - _KEYS - {"fixity"}):
        checked.note("E102", f"it has the key {unknown[0][:40]!r}, which is not specified")
    for name, code in (("versions", "E044"), ("fixity", "E055")):
        if spelt := [key for key in unknown if key.casefold() == name]:
            checked.note(code, f"it has its block {name} by the name {spelt[0][:40]!r}")
    if "id" in raw:
        if not isinstance(raw["id"], str) or not raw["id"]:
            checked.note("E037", "its id is no text")
        else:
            checked.id = raw["id"]
            if not _URI.fullmatch(checked.id):
                checked.note("W005", f"its id {checked.id[:60]!r} is no URI")
    _type_and_algorithm(checked, raw)
    if "contentDirectory" in raw:
        _content_directory(checked, raw["contentDirectory"])


def _type_and_algorithm(checked: Checked, raw: Mapping[str, Any]) -> None:
    if "type" in raw:
        match = _TYPE.fullmatch(raw["type"]) if isinstance(raw["type"], str) else None
        if match is None or match[1] not in SPECS:
            checked.note("E038", "its type is not that of an inventory of OCFL 1.0 or 1.1")
        else:
            checked.spec = match[1]
    algorithm = raw.get("digestAlgorithm", "sha512")
    checked.algorithm = algorithm if isinstance(algorithm, str) else ""
    if checked.algorithm == "sha256":
        checked.note("W004", "its digests are SHA-256; SHA-512 is better")
    elif checked.algorithm != "sha512":
        checked.note("E025", f"its digestAlgorithm is {str(algorithm)[:40]!r}")


def _content_directory(checked: Checked, name: object) -> None:
    if name in (".", ".."):
        checked.note("E018", f"its contentDirectory is {name}")
    elif not isinstance(name, str) or "/" in name:
        checked.note("E017", "its contentDirectory is no name of a directory")
    elif not name or "\0" in name:
        checked.note("E108", "its contentDirectory names no directory")
    else:
        checked.content_directory, checked.content_directory_set = name, True


def _manifest(checked: Checked, raw: Mapping[str, Any]) -> set[str]:
    """Fills `manifest`; the digests as they are written."""
    if "manifest" not in raw:
        checked.note("E041", "it has no manifest")
        return set()
    manifest = raw["manifest"]
    if not isinstance(manifest, dict):
        checked.note("E041" if checked.spec == "1.0" else "E106", "its manifest is no JSON object")
        return set()
    seen: set[str] = set()
    paths: list[str] = []
    for digest, listed in manifest.items():
        if not _is_digest(digest, DIGEST_DIGITS[checked.algorithm]):
            message = f"{digest[:40]!r} in its manifest is no {checked.algorithm} digest"
            checked.note(_HEX_CODES[checked.algorithm], message)
            if any(_is_digest(digest, digits) for digits in DIGEST_DIGITS.values()):
                checked.note("E039", f"{message}, but one by another algorithm")
            continue
        if digest.lower() in seen:
            checked.note("E096", f"the digest {digest[:16]}… is in its manifest twice")
        seen.add(digest.lower())
        if not _is_list_of_texts(listed):
            code = "E098" if isinstance(listed, list) and listed else "E092"
            checked.note(code, f"the digest {digest[:16]}… has no list of content paths")
            continue
        paths += listed
        checked.manifest |= dict.fromkeys(listed, digest.lower())
    _check_paths(checked, paths, "content path", bad_part="E099", bad_end="E100", clash="E101")
    return set(manifest)


def _versions(checked: Checked, raw: Mapping[str, Any], digests: set[str]) -> set[str]:
    """Fills `versions`, `blocks` and `states`; the digests that are used."""
    versions = raw.get("versions")
    if "versions" not in raw:
        checked.note("E043" if "manifest" in raw else "E041", "it has no versions")
    elif not isinstance(versions, dict):
        for code in ("E044", "E045"):
            checked.note(code, "its versions are no JSON object")
    elif not versions:
        checked.note("E008", "it has no version")
    if not isinstance(versions, dict) or not versions:
        return set()
    checked.versions = _sequence(checked, versions)
    of_digest: dict[str, list[str]] = {}
    for path, digest in checked.manifest.items():
        of_digest.setdefault(digest, []).append(path)
    used: set[str] = set()
    for name, block in versions.items():
        if not isinstance(block, dict):
            checked.note("E047", f"{name[:20]!r} is no JSON object")
            continue
        checked.blocks[name] = block
        _describes(checked, name, block)
        state = block.get("state")
        if "state" not in block:
            checked.note("E048", f"{name[:20]} has no state")
        elif not isinstance(state, dict):
            checked.note("E050", f"the state of {name[:20]} is no JSON object")
        if isinstance(state, dict):
            used |= state.keys()
            checked.states[name] = _state(checked, name, state, digests, of_digest)
    return used


def _sequence(checked: Checked, versions: Iterable[str]) -> list[str]:
    """The names of the versions in their order; none where they are no sequence."""
    matches = {name: _VERSION.fullmatch(name) for name in versions}
    if bad := [name for name, match in matches.items() if match is None]:
        for name in bad:
            checked.note("E046", f"{name[:20]!r} is no name of a version")
            if checked.spec != "1.0":
                code, what = ("E105", "number") if name.startswith("v") else ("E104", "v")
                checked.note(code, f"{name[:20]!r} has no {what} where a version has one")
    numbered = {int(match[2]): name for name, match in matches.items() if match}
    if len(numbered) < sum(match is not None for match in matches.values()):
        checked.note("E012", "two of its versions have one number")
    order = [numbered[number] for number in sorted(numbered)]
    if not order or 1 not in numbered:
        checked.note("E009", "its versions do not begin at 1")
        return []
    if max(numbered) != len(order):
        checked.note("E010", "its versions have a gap")
    first = order[0]
    if first == "v1":
        if any(name.startswith("v0") for name in order):
            checked.note("E012", "some of its versions are padded, and some are not")
    else:
        checked.note("W001", "its versions are padded with zeros")
        if any(len(name) != len(first) for name in order):
            checked.note("E012", "its versions are padded to different lengths")
        elif any(not name.startswith("v0") for name in order):
            for code in ("E011", "E012", "E013"):
                checked.note(code, f"{order[-1]} does not begin with v0, as {first} does")
    return order


def _describes(checked: Checked, name: str, block: Mapping[str, Any]) -> None:
    """Check all of a version's block but its state."""
    name = name[:20]
    if unknown := sorted(block.keys() - _OF_VERSION):
        checked.note("E102", f"{name} has the key {unknown[0][:40]!r}, which is not specified")
    created = block.get("created")
    if "created" not in block:
        checked.note("E048", f"{name} has no created")
    elif not isinstance(created, str) or not _TIME.fullmatch(created):
        checked.note("E049", f"created of {name} is no time of RFC 3339 with seconds and zone")
    if "message" not in block or "user" not in block:
        checked.note("W007", f"{name} does not say why it was made, or by whom")
    if not isinstance(block.get("message", ""), str):
        checked.note("E094", f"the message of {name} is no text")
    if "user" not in block:
        return
    user = block["user"]
    if not isinstance(user, dict) or not isinstance(user.get("name"), str) or not user["name"]:
        checked.note("E054", f"the user of {name} has no name")
    elif unknown := sorted(user.keys() - {"name", "address"}):
        checked.note("E102", f"the user of {name} has the key {unknown[0][:40]!r}")
    elif "address" not in user:
        checked.note("W008", f"the user of {name} has no address")
    elif not isinstance(user["address"], str) or not _URI.fullmatch(user["address"]):
        checked.note("W009", f"the address of the user of {name} is no URI")


def _state(
    checked: Checked,
    name: str,
    state: Mapping[str, Any],
    digests: set[str],
    of_digest: Mapping[str, list[str]],
) -> dict[str, frozenset[str]]:
    """Logical paths of the version → the content paths that hold their bytes."""
    paths: list[str] = []
    found: dict[str, frozenset[str]] = {}
    for digest, listed in state.items():
        if digest not in digests:
            checked.note("E050", f"{name[:20]} has {digest[:16]!r}…, which no manifest entry is")
        if not _is_list_of_texts(listed):
            checked.note("E051", f"{digest[:16]!r}… of {name[:20]} has no list of logical paths")
            continue
        paths += listed
        found |= dict.fromkeys(listed, frozenset(of_digest.get(digest.lower(), ())))
    _check_paths(checked, paths, "logical path", bad_part="E052", bad_end="E053", clash="E095")
    return found


def _content_paths(checked: Checked, raw: Mapping[str, Any]) -> None:
    """Content paths lie in the content directory of a version that there is."""
    named = raw.get("versions")
    known = named.keys() if isinstance(named, dict) else ()
    for path in checked.manifest:
        version, _, rest = path.partition("/")
        if version not in known:
            code = "E014" if _VERSION.fullmatch(version) else "E042"
            if path.partition("\\")[0] in known:
                code = "E035"
            checked.note(code, f"the content path {path[:60]!r} is in no version")
        elif not rest.startswith(f"{checked.content_directory}/"):
            message = f"{path[:60]!r} is not in the content directory of its version"
            checked.note("E015", message)
            if not checked.content_directory_set:
                checked.note("E021", f"{message}, which has no other name than content")


def _fixity(checked: Checked, raw: Mapping[str, Any]) -> None:
    """Fills `fixity`."""
    fixity = raw.get("fixity", {})
    if not isinstance(fixity, dict):
        checked.note("E056" if checked.spec == "1.0" else "E111", "its fixity is no JSON object")
        return
    known = DIGEST_DIGITS | EXTENSION_DIGITS | {SIZE: 0}
    for algorithm, block in fixity.items():
        if algorithm not in known:
            checked.note("E056", f"its fixity has the digest {algorithm[:40]!r}, which is unknown")
            continue
        if not isinstance(block, dict):
            checked.note("E057", f"its fixity has no JSON object for {algorithm}")
            continue
        seen: set[str] = set()
        paths: list[str] = []
        for digest, listed in block.items():
            fits = digest.isdecimal() if algorithm == SIZE else _is_digest(digest, known[algorithm])
            if not fits or not _is_list_of_texts(listed):
                code = "E057" if fits else _HEX_CODES.get(algorithm, "E057")
                checked.note(code, f"{digest[:40]!r} in its fixity is no {algorithm} entry")
                continue
            if digest.lower() in seen:
                checked.note("E097", f"the digest {digest[:16]}… is in its fixity twice")
            seen.add(digest.lower())
            paths += listed
            for path in listed:
                checked.fixity.setdefault(path, {})[algorithm] = digest.lower()
        _check_paths(checked, paths, "content path", bad_part="E099", bad_end="E100", clash="E101")
    for path in checked.fixity.keys() - checked.manifest.keys():
        code = "E035" if path.replace("\\", "/") in checked.manifest else "E057"
        checked.note(code, f"its fixity names {path[:60]!r}, which its manifest does not")


def _check_paths(
    checked: Checked, paths: list[str], what: str, *, bad_part: str, bad_end: str, clash: str
) -> None:
    """Check that `paths` can be files below one directory, side by side."""
    known = set(paths)
    if len(known) < len(paths):
        checked.note(clash, f"it has one {what} twice")
    for path in paths:
        parts = path.split("/")
        if path.startswith("/") or path.endswith("/") or not path:
            checked.note(
                bad_end, f"the {what} {path[:60]!r} begins or ends with a slash, or is none"
            )
            parts = path.strip("/").split("/")
        if any(part in (".", "..", "") or "\0" in part for part in parts) and path.strip("/"):
            checked.note(bad_part, f"the {what} {path[:60]!r} has a part that is none")
        if any("/".join(parts[:length]) in known for length in range(1, len(parts))):
            checked.note(clash, f"the {what} {path[:60]!r} lies below a file")


def _is_digest(text: str, digits: int) -> bool:
    return len(text) == digits and re.fullmatch("[0-9A-Fa-f]+", text) is not None


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
