"""Receipts and holdings: what is accepted, and which files are the sound."""

from __future__ import annotations

import pytest

from sonotheque.model.findings import Finding, Severity
from sonotheque.model.holdings import HeldFile, Holding, ItemStatus, Receipt, ReceiptItem
from sonotheque.model.identifiers import DepositId, HoldingId, Sha512


def _finding(severity: Severity) -> Finding:
    return Finding(code="x", severity=severity, message="x", remedy="x")


def _receipt(*items: ReceiptItem, findings: tuple[Finding, ...] = ()) -> Receipt:
    return Receipt(deposit=DepositId("0"), at="", source="", items=items, findings=findings)


@pytest.mark.parametrize("status", ItemStatus)
def test_a_refused_item_is_not_accepted(status: ItemStatus) -> None:
    item = ReceiptItem(path="a", status=status)
    assert _receipt(item).accepted is (status is not ItemStatus.REFUSED)
    assert item.refused is (status is ItemStatus.REFUSED)


@pytest.mark.parametrize("severity", Severity)
def test_an_error_is_not_accepted(severity: Severity) -> None:
    whole = ReceiptItem(path="a", status=ItemStatus.DEPOSITED)
    found = ReceiptItem(path="b", status=ItemStatus.DEPOSITED, findings=(_finding(severity),))
    expected = severity is not Severity.ERROR
    assert _receipt(whole, found).accepted is expected
    assert _receipt(whole, findings=(_finding(severity),)).accepted is expected


def test_nothing_is_not_accepted() -> None:
    assert not _receipt().accepted


def test_audio_is_what_stands_in_audio() -> None:
    files = [
        HeldFile(path=path, sha512=Sha512(""), byte_count=0)
        for path in ("audio/b.flac", "recording.json", "audio/a.mp3", "audiobook.txt")
    ]
    holding = Holding(id=HoldingId("urn:x"), version=1, created_at="", files=tuple(files))
    assert [file.path for file in holding.audio] == ["audio/b.flac", "audio/a.mp3"]
