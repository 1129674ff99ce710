"""archive.toml: what is written reads back, and what cannot be read is told in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sonotheque.config import (
    CONFIG_NAME,
    Attestation,
    Config,
    Limits,
    Root,
    Witness,
    Witnessed,
    read_config,
    render_config,
)
from sonotheque.errors import BadInput, NotFound

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SAID = st.one_of(
    TEXT.filter(str.strip),
    st.sampled_from(
        ['"', "'", '"""', "\\", "a\nb", "a\r\nb", "\x7f", "\x00a", "é – 音", "# x", "[a]"]
    ),
)
FILE_NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and name.strip())
LIMITS = st.builds(Limits, **{name: st.integers(1, 2**60) for name in Limits.__dataclass_fields__})

ATTESTATIONS = st.builds(Attestation, SAID, SAID, st.dates().map(lambda day: day.isoformat()), SAID)
KEYS = st.sampled_from(["a.0001+0123abcd+AbC/+w==", "réseau/w+ffffffff+AAAA", "x+00000000+B"])
URLS = st.sampled_from(["https://a.example", "http://[::1]:8080/witness", "https://a.b:1/c/d-e"])


@st.composite
def configs(draw: st.DrawFn, directory: Path) -> Config:
    names = draw(st.lists(SAID, min_size=1, max_size=4, unique=True))
    places = draw(st.lists(FILE_NAMES, min_size=len(names), max_size=len(names), unique=True))
    bases = st.sampled_from([directory, directory / "deep" / "er", Path("/elsewhere")])
    roots = [
        Root(
            name,
            draw(bases) / place,
            location=draw(TEXT),
            threat=draw(TEXT),
            medium=draw(TEXT),
            audit_within=draw(st.sampled_from(["", "12h", "30 d", "4w"])),
            audit_rate=draw(st.sampled_from(["", "50MB/s", "1.5 GB/s"])),
        )
        for name, place in zip(names, places, strict=True)
    ]
    if draw(st.booleans()):
        url = draw(st.sampled_from(["s3://bucket", "s3://bucket/a/é b", "s3://b.u-c_k/x"]))
        roots.append(Root(f"{names[0]} too", url=url, endpoint=draw(TEXT), medium=draw(TEXT)))
        assume(roots[-1].name not in names)
    # Roots inside one another are refused, which is tested on its own.
    assume(all(place != "deep" for place in places))
    return Config(
        directory=directory,
        name=draw(SAID),
        mandate=draw(SAID),
        contact=draw(TEXT),
        roots=tuple(roots),
        attestations=tuple(draw(st.lists(ATTESTATIONS, max_size=2))),
        witnesses=tuple(draw(st.lists(st.builds(Witness, URLS, KEYS), max_size=2))),
        witnessed=tuple(draw(st.lists(st.builds(Witnessed, KEYS), max_size=2))),
        embedded_licences=draw(st.sampled_from(["verified", "claimed"])),
        territory=draw(st.sampled_from(["", "FR"])),
        limits=draw(st.one_of(st.just(Limits()), LIMITS)),
    )


@given(st.data())
def test_what_is_written_reads_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.getbasetemp() / "archive"
    directory.mkdir(exist_ok=True)
    config = data.draw(configs(directory))
    (directory / CONFIG_NAME).write_text(render_config(config), encoding="utf-8", newline="")
    assert read_config(directory) == config


def test_roots_below_the_archive_move_with_it(tmp_path: Path) -> None:
    config = _plain(tmp_path / "old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / CONFIG_NAME).write_text(render_config(config))
    assert read_config(tmp_path / "new").roots[0].path == tmp_path / "new" / "vault"


def test_a_relative_root_means_what_it_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said from where the command was run, not from inside the archive."""
    monkeypatch.chdir(tmp_path)
    directory = Path("archive")
    directory.mkdir()
    config = replace(_plain(directory), roots=(Root("main", Path("other")),))
    (directory / CONFIG_NAME).write_text(render_config(config))
    assert read_config(directory).roots[0].path == tmp_path / "other"


def _plain(directory: Path) -> Config:
    return Config(
        directory=directory, name="n", mandate="m", roots=(Root("main", directory / "vault"),)
    )


MAIN = Root("main", Path("/a/1"))
BAD_URLS = [
    *("", "s3://", "s3:///x", "http://bucket/x", "s3://key:secret@bucket/x", "s3://bu/a//b"),
    *("s3://[", "s3://bucket/a\nb", "s3://-"),
]


@pytest.mark.parametrize(
    "config",
    [
        replace(_plain(Path("/a")), name=" "),
        replace(_plain(Path("/a")), mandate=""),
        replace(_plain(Path("/a")), roots=()),
        replace(_plain(Path("/a")), name="\udcff"),
        replace(_plain(Path("/a")), roots=(Root("x", Path("/a/\udcff")),)),
        replace(_plain(Path("/a")), roots=(Root("x", Path("/a/1")), Root("x", Path("/a/2")))),
        replace(_plain(Path("/a")), embedded_licences="believed"),
        replace(_plain(Path("/a")), roots=(Root("x", url="s3://bucket/x"),)),
        *(replace(_plain(Path("/a")), roots=(MAIN, Root("x", url=url))) for url in BAD_URLS),
        replace(
            _plain(Path("/a")),
            roots=(MAIN, Root("x", url="s3://b.b/x"), Root("y", url="s3://b.b/x/y")),
        ),
        replace(_plain(Path("/a")), limits=Limits(file_bytes_max=0)),
    ],
)
def test_what_could_not_be_read_is_not_written(config: Config) -> None:
    with pytest.raises(BadInput) as caught:
        render_config(config)
    assert "\n" not in caught.value.line()
    assert caught.value.remedy


WORD = '[[attestation]]\ncriterion = "c"\nby = "b"\non = 2026-01-02\nstatement = "s"\n'
GOOD = '[archive]\nname = "n"\nmandate = "m"\n[[root]]\nname = "main"\npath = "vault"\n'


def test_the_shortest_archive(tmp_path: Path) -> None:
    (tmp_path / CONFIG_NAME).write_text(GOOD)
    assert read_config(tmp_path) == _plain(tmp_path).__class__(
        directory=tmp_path, name="n", mandate="m", roots=(Root("main", tmp_path / "vault"),)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[archive",
        GOOD + "name = 5",
        GOOD.replace('name = "n"', ""),
        GOOD.replace('"n"', '" "'),
        GOOD.replace('"n"', "5"),
        GOOD.replace('mandate = "m"', ""),
        GOOD.replace("[[root]]", "[root]"),
        GOOD.split("[[root]]", maxsplit=1)[0],
        GOOD.replace('path = "vault"', ""),
        GOOD.replace('path = "vault"', 'path = ""'),
        GOOD + 'url = "s3://bucket/x"',
        GOOD + '[[root]]\nname = "x"\nurl = "s3://bucket/x"\nsecret_access_key = "k"',
        GOOD + '[[root]]\nname = "x"\nurl = ""',
        GOOD.replace('path = "vault"', "path = []"),
        GOOD + '[[root]]\nname = "main"\npath = "other"\n',
        GOOD + '[[root]]\nname = "copy"\npath = "vault"\n',
        GOOD + '[[root]]\nname = "copy"\npath = "vault/copy"\n',
        GOOD + '[[root]]\nname = "copy"\npath = "./vault/"\n',
        "root = [1]\n" + GOOD.split("[[root]]", maxsplit=1)[0],
        'archive = "x"\n',
        "rights = 5\n" + GOOD,
        GOOD + '[rights]\nembedded_licences = "believed"\n',
        GOOD + "[rights]\nembedded_licences = true\n",
        GOOD + "[limits]\nfile_bytes_max = 0\n",
        GOOD + "[limits]\nfile_bytes_max = -1\n",
        GOOD + "[limits]\nfile_bytes_max = true\n",
        GOOD + "[limits]\nfile_bytes_max = 1.5\n",
        GOOD + '[limits]\nfile_bytes_max = "8 GB"\n',
        GOOD + "[limits]\nfiles_max = 3\n",
        "limits = []\n" + GOOD,
        GOOD + WORD.replace("[[attestation]]", "[attestation]"),
        GOOD + WORD.replace("2026-01-02", '"2026-01-02"'),
        GOOD + WORD.replace("2026-01-02", "2026-01-02T10:00:00Z"),
        GOOD + WORD.replace("on = 2026-01-02", ""),
        GOOD + WORD.replace('by = "b"', 'by = " "'),
        GOOD + WORD.replace('statement = "s"', ""),
        GOOD + WORD + "until = 2027-01-01",
    ],
)
def test_every_bad_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG_NAME).write_text(text)
    with pytest.raises(BadInput) as caught:
        read_config(tmp_path)
    assert caught.value.where == str(tmp_path / CONFIG_NAME)
    assert caught.value.remedy
    assert "\n" not in caught.value.line()


KEY = 'key = "a.b+0123abcd+AAAA"\n'


@pytest.mark.parametrize(
    "words",
    [
        *("[[witness]]\n", f"[[witness]]\n{KEY}", '[[witness]]\nurl = "https://a.b/c"\n'),
        *(f'[[witness]]\nurl = "ftp://a"\n{KEY}', f'[[witness]]\nurl = "https://a b"\n{KEY}'),
        *(f'[[witness]]\nurl = "https://a.b?c"\n{KEY}', f'[[witness]]\nurl = "a.b"\n{KEY}'),
        *('[[witnessed]]\nkey = "a"\n', '[[witnessed]]\nkey = "a b+0123abcd+AA"\n'),
        *(f'[[witnessed]]\nurl = "https://a.b"\n{KEY}', "[witnessed]\n", "witness = 3\n"),
    ],
)
def test_what_is_no_witness_is_told(tmp_path: Path, words: str) -> None:
    place = words + GOOD if words.startswith("witness =") else GOOD + words
    (tmp_path / CONFIG_NAME).write_text(place)
    with pytest.raises(BadInput) as caught:
        read_config(tmp_path)
    assert "\n" not in caught.value.line()
    assert str(tmp_path / CONFIG_NAME) in caught.value.line()


def test_an_attestation(tmp_path: Path) -> None:
    """Which the bad ones above would be, were they not bad."""
    (tmp_path / CONFIG_NAME).write_text(GOOD + WORD)
    assert read_config(tmp_path).attestations == (Attestation("c", "b", "2026-01-02", "s"),)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / CONFIG_NAME).write_bytes(b"[archive]\nname = '\xff'\n")
    with pytest.raises(BadInput, match="UTF-8"):
        read_config(tmp_path)


def test_no_archive_here(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(NotFound, match="sonotheque init") as caught:
            read_config(place)
        assert caught.value.where == str(place)


@pytest.mark.parametrize("setting", ['audit_within = "soon"', 'audit_rate = "50MB"'])
def test_a_schedule_that_cannot_be_read_is_told(tmp_path: Path, setting: str) -> None:
    text = '[archive]\nname = "A"\nmandate = "B"\n[[root]]\nname = "main"\npath = "v"\n'
    (tmp_path / CONFIG_NAME).write_text(f"{text}{setting}\n")
    with pytest.raises(
        BadInput, match=rf"archive\.toml: {setting.split(maxsplit=1)[0]} '[^']+' is not a"
    ):
        read_config(tmp_path)
