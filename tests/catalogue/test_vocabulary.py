"""What a word may go on to, and which words a misspelt one may be."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.vocabulary import TYPO_LENGTH_MIN, Vocabulary, write_vocabulary
from sonotheque.errors import Corrupt

WORDS = st.text(alphabet="abcdé", min_size=1, max_size=6)


def table(counts: dict[str, int]) -> pa.Table:
    return pa.table(
        {
            "word": pa.array(list(counts), pa.large_string()),
            "count": pa.array(list(counts.values()), pa.int64()),
        }
    )


def opened(path: Path, *counts: dict[str, int]) -> Vocabulary:
    write_vocabulary(path, [table(some) for some in counts])
    return Vocabulary(path)


def edits(one: str, other: str) -> int:
    """Edits from `one` to `other`; two letters changed over are one (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]


@settings(max_examples=60, deadline=None)
@given(counts=st.dictionaries(WORDS, st.integers(1, 99), max_size=40), asked=WORDS)
def test_it_finds_what_comparing_with_every_word_finds(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int], asked: str
) -> None:
    vocabulary = opened(tmp_path_factory.mktemp("vocabulary") / "v.arrow", counts)
    assert len(vocabulary) == len(counts)
    expected = (asked, counts[asked], 1) if asked in counts else None
    assert vocabulary.look_up(asked) == expected

    def commonest(words: list[str]) -> list[tuple[str, int, int]]:
        ordered = sorted(words, key=lambda word: (-counts[word], word.encode()))
        return [(word, counts[word], 1) for word in ordered]

    begun = commonest([w for w in counts if w.startswith(asked) and w != asked])
    assert vocabulary.completions(asked, 100) == begun
    assert vocabulary.completions(asked, 2) == begun[:2] or len(begun) > 2
    near = [w for w in counts if edits(asked, w) == 1] if len(asked) >= TYPO_LENGTH_MIN else []
    assert vocabulary.neighbours(asked, 100) == commonest(near)


def test_counts_of_several_tables_add_up(tmp_path: Path) -> None:
    vocabulary = opened(tmp_path / "v.arrow", {"rain": 2, "sun": 1}, {"rain": 3}, {})
    assert vocabulary.look_up("rain") == ("rain", 5, 0b11)
    assert vocabulary.look_up("sun") == ("sun", 1, 0b01)
    assert vocabulary.completions("r", 9) == [("rain", 5, 0b11)]


def test_a_vocabulary_of_an_earlier_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "v.arrow"
    opened(path, {"rain": 2})
    older = pa.ipc.open_file(pa.memory_map(str(path))).read_all().drop_columns(["shards"])
    with pa.OSFile(str(path), "wb") as output, pa.ipc.new_file(output, older.schema) as writer:
        writer.write_table(older)
    with pytest.raises(Corrupt, match="earlier version"):
        Vocabulary(path)


def test_scripts_have_their_own_letters(tmp_path: Path) -> None:
    vocabulary = opened(tmp_path / "v.arrow", {"вечера": 1, "θάλασσα": 1, "桜": 1, "2024": 1})
    # A Latin letter for a Cyrillic one is a mistake like any other.
    assert vocabulary.neighbours("вечерa", 9) == [("вечера", 1, 1)]
    assert vocabulary.neighbours("вечеро", 9) == [("вечера", 1, 1)]
    assert vocabulary.neighbours("2025", 9) == []
    assert vocabulary.neighbours("202", 9) == []
    assert vocabulary.neighbours("20244", 9) == [("2024", 1, 1)]


def test_an_empty_vocabulary(tmp_path: Path) -> None:
    vocabulary = opened(tmp_path / "v.arrow")
    assert vocabulary.look_up("rain") is None
    assert len(vocabulary) == 0
    assert vocabulary.completions("r", 5) == vocabulary.neighbours("rains", 5) == []
