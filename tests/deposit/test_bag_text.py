"""The texts of a bag: what they mean, and what they may not say."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.deposit.bag_text import (
    ALGORITHMS,
    VERSIONS,
    Entry,
    in_payload,
    parse_declaration,
    parse_entry,
    parse_fetch,
    parse_path,
)

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
def test_declarations(version: str, end: str) -> None:
    first = f"BagIt-Version: {version}{end or chr(10)}"
    assert parse_declaration(f"{first}Tag-File-Character-Encoding: UTF-8{end}") == (
        version,
        "UTF-8",
    )
    lax = f"BagIt-Version :  {version} \nTag-File-Character-Encoding:UTF-8 \n\n"
    assert parse_declaration(lax) == (None if version == "1.0" else (version, "UTF-8"))
    assert parse_declaration(f"{first}") is None
    assert parse_declaration(f"\ufeff{first}Tag-File-Character-Encoding: UTF-8") is None
    assert parse_declaration(f"{first}Tag-File-Character-Encoding: UTF-8\nA: b") is None


def test_entries() -> None:
    assert parse_entry(f"{MD5.upper()}  data/a b ", "md5") == Entry(MD5, "data/a b ", False)
    assert parse_entry(f"{MD5} *data/a", "md5") == Entry(MD5, "data/a", True)
    assert parse_entry(f"{MD5}\tdata/a", "md5") == Entry(MD5, "data/a", False)
    assert parse_entry(f"{MD5} data/a", "sha1") is None
    assert parse_entry(MD5, "md5") is None
    assert all(parse_entry(f"{MD5}  data/a", name) is None for name in ALGORITHMS - {"md5"})
    assert parse_fetch("http://127.0.0.1/a%20b - data/a b") == "data/a b"
    assert parse_fetch("http://127.0.0.1/a 12 data/a") == "data/a"
    assert parse_fetch("http://127.0.0.1/a data/a") is None


@given(st.text(), st.sampled_from(VERSIONS))
def test_a_path_that_is_taken_stays_in_the_bag(written: str, version: str) -> None:
    path = parse_path(written, version)
    if path is None:
        return
    assert os.path.normpath(f"/bag/{path}") == f"/bag/{path}"
    assert not in_payload(path) or path.startswith("data/")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/~\\."), min_size=1))
def test_what_1_0_escapes_reads_back(name: str) -> None:
    escaped = name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    assert parse_path(f"data/{escaped}", "1.0") == f"data/{name}"


@pytest.mark.parametrize(
    "written", ["C:\\x", "\\\\server\\x", "data\\x", "~/x", "../x", "/x", "a/../b"]
)
def test_a_path_that_leads_out_on_any_system_is_none(written: str) -> None:
    assert parse_path(written, "1.0") is None
