"""Files that changed places: what only one copy has, under a wrong name, is neither lost nor
overwritten; and what a root does not take. Found by living through decades."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault.audit import Audit
from sonotheque.vault.objects import Vault
from sonotheque.vault.replicas import replicate
from sonotheque.vault.roots import Root, Source

NOW = "2026-11-20T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:0000000000002")
Audits = Callable[..., Audit]
CONTENT = {"audio/a": b"one sound", "audio/b": b"another sound"}


@pytest.fixture
def only(main: Vault) -> Vault:
    """A root that alone has anything, in two versions."""
    main.write_version(ONE, CONTENT, message="", now=NOW)
    main.write_version(ONE, {"deposits/1": b"a receipt"}, message="", now=NOW)
    return main


def _swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def _healed(audit: Audits, roots: list[Root]) -> list[FixityEvent]:
    return [event for check in audit(roots, heal=True).run() for event in check.events]


@pytest.mark.parametrize(
    "places",
    [
        ("v1/content/audio/a", "v1/content/audio/b"),
        ("v1/content/audio/a", "v2/content/deposits/1"),
        ("v1/content/audio/a", "0=ocfl_object_1.1"),
        ("v1/content/audio/b", "v1/inventory.json"),
        ("v1/content/audio/b", "inventory.json.sha512"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_only_copy_of_both_is_kept(
    only: Vault, copy: Vault, audit: Audits, places: tuple[str, str], is_first: bool
) -> None:
    at = only.object_path(ONE)
    _swap(at / places[0], at / places[1])
    roots: list[Root] = [only, copy] if is_first else [copy, only]
    _healed(audit, roots)
    for root in roots:
        for name, content in {**CONTENT, "deposits/1": b"a receipt"}.items():
            assert root.read(ONE, name) == content, (root.name, name)


def test_a_file_under_a_wrong_name_is_found(only: Vault, copy: Vault, audit: Audits) -> None:
    at = only.object_path(ONE) / "v1/content/audio"
    (at / "a").rename(at / "A")
    events = _healed(audit, [only, copy])
    assert Outcome.LOST not in {event.outcome for event in events}
    assert only.read(ONE, "audio/a") == copy.read(ONE, "audio/a") == CONTENT["audio/a"]


def test_without_another_root_neither_is_overwritten(only: Vault, audit: Audits) -> None:
    at = only.object_path(ONE) / "v1/content/audio"
    _swap(at / "a", at / "b")
    events = _healed(audit, [only])
    assert {event.outcome for event in events} == {Outcome.LOST}
    assert (at / "a").read_bytes() == CONTENT["audio/b"]
    assert (at / "b").read_bytes() == CONTENT["audio/a"]


class _Deaf(Vault):
    """Says that it has written, and has not."""

    def restore_file(self, name: str, path: str, content: Iterable[bytes], digest: str) -> str:
        return ""

    def adopt(self, source: Source, *holdings: HoldingId) -> None:
        pass


def test_what_a_root_does_not_take_is_not_lost(only: Vault, copy: Vault, audit: Audits) -> None:
    """Found by living through decades: it was called lost, and so could be deposited anew."""
    only.write_version(TWO, CONTENT, message="", now=NOW)
    replicate(only, [copy], ONE, TWO)
    only.path_of(ONE, "audio/a").unlink()
    shutil.rmtree(only.object_path(TWO))
    checks = audit([_Deaf(only.name, only.path), copy], heal=True).run()
    told = {
        (event.root, event.path, event.outcome): event.detail
        for check in checks
        for event in check.events
        if event.outcome is not Outcome.PASS
    }
    assert told == {
        ("main", "v1/content/audio/a", Outcome.MISSING): "what was written does not read back",
        ("main", "", Outcome.MISSING): "what was written does not read back",
    }
