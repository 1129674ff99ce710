"""Laws that let an institution do something without asking, read no wider than they are written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import KEEPING, TRAINING, Basis, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import COUNTRIES
from sonotheque.rights.decision import decide, decide_all
from sonotheque.rights.exceptions import EEA, EXCEPTIONS, LegalException, find_exception
from sonotheque.rights.validity import checked

OURS = RecordingId("0000000000001")
NOW = "2026-11-28T00:00:00.000000Z"


def entered(law: LegalException, **changes: Any) -> Statement:
    grant = Statement(
        recording=OURS,
        kind=Kind.GRANT,
        uses=law.uses,
        status=Status.VERIFIED,
        issuer="Archive",
        evidence="file 12",
        at=NOW,
        id=1,
        basis=Basis.STATUTORY_EXCEPTION,
        article=law.article,
        territories=law.territories[:1],
        layers=law.layers,
    )
    return checked(replace(grant, **changes), "the grant")


@pytest.mark.parametrize("law", EXCEPTIONS, ids=lambda law: law.article)
def test_it_allows_what_it_says_where_it_holds(law: LegalException) -> None:
    grant = entered(law)
    home = law.territories[0]
    for use in law.uses:
        one_layer = law.layers != tuple(Layer) and use not in KEEPING
        assert decide([grant], OURS, use, NOW, home).allowed != one_layer
        assert not decide([grant], OURS, use, NOW).allowed  # nowhere else, so not everywhere
    assert not {d.use for d in decide_all([grant], OURS, NOW, home) if d.allowed} & set(TRAINING)
    assert set(law.territories) <= COUNTRIES
    assert law.conditions


@pytest.mark.parametrize("law", EXCEPTIONS, ids=lambda law: law.article)
def test_it_cannot_be_entered_for_more(law: LegalException) -> None:
    with pytest.raises(BadInput, match="does not allow: torrent") as caught:
        entered(law, uses=(*law.uses, Use.TORRENT))
    assert law.conditions in caught.value.remedy
    with pytest.raises(BadInput, match="holds where"):
        entered(law, territories=())
    with pytest.raises(BadInput, match="holds where"):
        entered(law, territories=("JP",))
    if law.layers != tuple(Layer):
        with pytest.raises(BadInput, match="speaks of the work"):
            entered(law, layers=())


@pytest.mark.parametrize(
    ("text", "article"),
    [
        ("EU 2019/790 art. 3", "Directive (EU) 2019/790, Article 3"),
        ("directive (EU) 2019/790, Article 8 (2)", "Directive (EU) 2019/790, Article 8(2)"),
        ("(EU) 2019/790 article 4", "Directive (EU) 2019/790, Article 4"),
        ("2001/29/EC, Art. 5(3)(n)", "Directive 2001/29/EC, Article 5(3)(n)"),
        ("17 USC 1401(c)", "17 U.S.C. § 1401(c)"),
        ("17 U.S.C. § 108(H)", "17 U.S.C. § 108(h)"),
        # A paragraph of an article allows no more than the article.
        ("Directive 2012/28/EU, Article 6(1)", "Directive 2012/28/EU, Article 6"),
        ("17 USC 108(b)(2)", "17 U.S.C. § 108(b)"),
    ],
)
def test_citations_are_read_however_they_are_abbreviated(text: str, article: str) -> None:
    found = find_exception(text)
    assert found
    assert found.article == article


@pytest.mark.parametrize(
    "text", ["", "Code du patrimoine, L132-4", "EU 2019/790", "EU 2019/790 art. 8", "17 USC 108"]
)
def test_other_articles_are_the_word_of_who_enters_them(text: str) -> None:
    assert find_exception(text) is None


def test_thirty_countries_share_the_law_of_the_single_market() -> None:
    assert len(EEA) == 30
    assert {"FR", "NO"} < set(EEA)
    assert not {"GB", "CH"} & set(EEA)
