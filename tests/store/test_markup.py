"""XML from strangers: nothing is fetched, nothing is expanded, nothing crashes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.store.markup import HEAD_BYTES, Unfit, parse, root_of, text_of

BOMB = "".join(
    ["<!DOCTYPE a [<!ENTITY x0 'lol'>"]
    + [f"<!ENTITY x{n} '{f'&x{n - 1};' * 10}'>" for n in range(1, 10)]
    + ["]><a>&x9;</a>"]
)


def code_of(content: bytes) -> str:
    with pytest.raises(Unfit) as caught:
        parse(content)
    return caught.value.code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_entities_are_refused_in_every_encoding(encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert code_of(mark + BOMB.encode(encoding)) == "xml.entities"
    in_attribute = BOMB.replace("<a>&x9;</a>", "<a b='&x9;'/>")
    assert code_of(mark + in_attribute.encode(encoding)) == "xml.entities"


def test_files_and_addresses_are_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("<!ENTITY y 'told'>")
    for declaration in (
        f"<!DOCTYPE a [<!ENTITY x SYSTEM '{secret.as_uri()}'>]><a>&x;</a>",
        f"<!DOCTYPE a SYSTEM '{secret.as_uri()}'><a>&y;</a>",
        f"<!DOCTYPE a [<!ENTITY % p SYSTEM '{secret.as_uri()}'> %p;]><a>&y;</a>",
        "<!DOCTYPE a PUBLIC '-//X//Y' 'http://127.0.0.1:9/x.dtd'><a/>",
        "<!DOCTYPE a><a/>",
    ):
        assert code_of(declaration.encode()) == "xml.entities"
    include = f"<a xmlns:i='http://www.w3.org/2001/XInclude'><i:include href='{secret}'/></a>"
    assert "told" not in "".join(parse(include.encode()).itertext())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"<a>",
        b"<a></b>",
        b"<a>\x00</a>",
        b"<a>&#8;</a>",
        b"<a>&unknown;</a>",
        b"<a>caf\xe9</a>",
        b"<?xml version='1.0' encoding='no-such'?><a/>",
        b"<?xml version='1.0' encoding='Shift_JIS'?><a/>",
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"<a>" + b"x" * 10_000_001 + b"</a>",
        b"<!--" + b"x" * HEAD_BYTES + b"--><a/>",
    ],
)
def test_what_is_no_xml_is_broken(content: bytes) -> None:
    assert code_of(content) == "xml.broken"


@given(content=st.one_of(st.binary(max_size=40), st.text("<a>&;![]/ '=\0é", max_size=30)))
def test_any_bytes_are_parsed_or_refused(content: bytes | str) -> None:
    try:
        root = parse(content if isinstance(content, bytes) else content.encode())
    except Unfit as unfit:
        assert unfit.code in ("xml.broken", "xml.entities")
    else:
        assert isinstance(root.tag, str)


def test_root_and_texts() -> None:
    content = b"<?xml version='1.0'?>\n<!-- <x> -->\n<n:a xmlns:n='urn:n'><b> t <c/></b></n:a>"
    name, at = root_of(content)
    assert (name, content[at : at + 4]) == ("n:a", b"<n:a")
    root = parse(content)
    assert (text_of(root, "b"), text_of(root, "b/c"), text_of(root, "z")) == ("t", "", "")
    assert text_of(None, "b") == ""
    latin = parse("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".encode("latin-1"))
    assert latin.text == "é"
