"""One way in for every source, and what the command line offers is what there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sonotheque.catalogue.sources.registry import KINDS, import_source
from sonotheque.cli.parser import build_parser
from sonotheque.errors import BadInput, Refused

NOW = "2026-11-23T12:00:00.000000Z"


def taken(kind: str, catalogue: Path, path: Path, mapping: Path | None = None) -> None:
    import_source(
        kind, catalogue, path, origin="the test", licence="CC0-1.0", now=NOW, mapping=mapping
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_refuses_what_is_not_there(kind: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        taken(kind, tmp_path / "catalogue", tmp_path / "nothing")
    imports = tmp_path / "catalogue" / "imports"
    assert not imports.exists() or list(imports.iterdir()) == []
    with pytest.raises(Refused):
        path = tmp_path / "nothing"
        import_source(kind, tmp_path, path, origin="the test", licence="", now=NOW)
    arguments = ["import", kind, "x", "--origin", "o", "--licence", "CC0-1.0"]
    assert build_parser().parse_args(arguments).source == kind


def test_an_unknown_source_and_a_mapping_that_is_of_no_use(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no source"):
        taken("spotify", tmp_path, tmp_path)
    with pytest.raises(BadInput, match="takes no mapping"):
        taken("discogs", tmp_path, tmp_path, tmp_path / "mapping.toml")


def test_only_the_adapter_that_is_needed_is_loaded() -> None:
    code = (
        "import sys; from sonotheque.catalogue.sources import registry;"
        "assert not {'lxml', 'sonotheque.catalogue.sources.table'} & {*sys.modules};"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys; import sonotheque.cli.parser; assert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
