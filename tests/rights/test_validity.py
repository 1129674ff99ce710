"""What may be entered: nothing that contradicts itself, or lacks its ground."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.procedures import TermFacts
from sonotheque.model.terms import Basis, Kind, Statement, Status, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.validity import checked

ENDED = {"basis": Basis.PUBLIC_DOMAIN}
GOOD = Statement(
    recording=RecordingId("0000000000001"),
    kind=Kind.GRANT,
    uses=(Use.PRESERVE,),
    status=Status.VERIFIED,
    issuer="A",
    evidence="a letter",
    at="2026-11-28T00:00:00.000000Z",
    basis=Basis.AGREEMENT,
    begins_at="2026-01-01",
    ends_at="2027-01-01",
)


def test_what_is_in_order_is_put_in_order() -> None:
    us, here, fr = map(Territory, ("us", "FR", "fr"))
    said = checked(replace(GOOD, territories=(us, here), territories_except=(fr,)), "here")
    assert (said.territories, said.territories_except) == (("FR", "US"), ("FR",))
    assert checked(GOOD, "here") == GOOD
    assert checked(replace(GOOD, kind=Kind.REFUSAL, uses=(), basis=None), "here").basis is None


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"issuer": " "}, "no issuer"),
        ({"evidence": ""}, "no evidence"),
        ({"ends_at": "2026-01-01"}, "ends before it begins"),
        ({"ends_at": "2025-01-01"}, "ends before it begins"),
        ({"uses": ()}, "allows nothing"),
        ({"basis": None}, "no legal basis"),
        ({"basis": Basis.STATUTORY_EXCEPTION}, "exception of no law"),
        ({"article": "Article 6"}, "names an article"),
        ({"territories": ("XX",)}, "'XX' is no country"),
        ({"territories_except": ("UK",)}, "'UK' is no country"),
        ({"territories": ("FR",), "territories_except": ("FR", "US")}, "holds in no country"),
        ({"evidence_sha512": "12ab"}, "no SHA-512"),
        ({**ENDED, "facts": TermFacts(published="2027")}, "2027, which is to come"),
        ({**ENDED, "facts": TermFacts(authors=1, died=(2062,))}, "2062, which is to come"),
    ],
)
def test_what_is_not_is_refused_with_its_place(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(BadInput, match=what) as caught:
        checked(replace(GOOD, **changes), "the grant by 'A'")
    assert caught.value.where == "the grant by 'A'"
    assert caught.value.remedy
