"""Cases on the disk: a small file each under `desk/`, and the documents beside them.

They are personal data: readable by the archive's user alone, in no mirror, in no ledger. A rebuild
of the database does not touch them; back the directory up as you do the keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from sonotheque.desk.case import Case, Document, Side
from sonotheque.errors import BadInput, Corrupt, NotFound
from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.store import files

DOCUMENT_BYTES_MAX = 5_000_000
DOCUMENTS_MAX = 20
"""Of one case."""
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{13}")
_PRIVATE = 0o600


class Cases:
    """The cases in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._cases = directory / "cases"
        self._documents = directory / "documents"

    def get(self, number: str) -> Case:
        """The case of that identifier. Raises NotFound."""
        found = [*self._cases.glob(f"*.{number}.json")] if _ID.fullmatch(number) else []
        if not found:
            raise NotFound(
                "there is no such case",
                where=number[:40],
                remedy="see `sonotheque rights desk list`",
            )
        return _read(found[0])

    def each(self) -> Iterator[Case]:
        """Every case, in no order."""
        for path in sorted(self._cases.glob("*.json")):
            yield _read(path)

    def about(self, recording: RecordingId) -> tuple[Case, ...]:
        """Every case about `recording`, oldest first."""
        found = [_read(path) for path in self._cases.glob(f"{recording}.*.json")]
        return tuple(sorted(found, key=lambda case: (case.opened_at, case.id)))

    def save(self, case: Case) -> None:
        """Put `case` in the place of what was known of it, whole and on the disk."""
        files.make_directory(self._cases)
        path = self._cases / f"{case.recording}.{case.id}.json"
        content = msgspec.json.format(msgspec.json.encode(case), indent=1) + b"\n"
        files.replace(path, content, mode=_PRIVATE)

    def keep(self, case: Case, name: str, content: bytes, side: Side, at: str) -> Document:
        """Keep a document of `case`, which the caller has checked and then saves with it."""
        directory = self._documents / case.id
        files.make_directory(directory)
        plain = files.portable_name(name)
        digest = Sha512(hashlib.sha512(content).hexdigest())
        # Named by its digest: the same document twice is one file, and no name is another's.
        files.replace(directory / f"{digest[:16]}-{plain}", content, mode=_PRIVATE)
        return Document(name=plain, sha512=digest, byte_count=len(content), side=side, at=at)


def check_documents(case: Case, documents: Sequence[tuple[str, bytes]]) -> None:
    """Raises BadInput where one of `documents` (name, bytes) is too long, or is one too many."""
    for number, (name, content) in enumerate(documents, 1):
        if len(content) > DOCUMENT_BYTES_MAX or len(case.documents) + number > DOCUMENTS_MAX:
            raise BadInput(
                f"is too long, or one document more than {DOCUMENTS_MAX}",
                where=name[:80],
                remedy=f"hand in documents of {DOCUMENT_BYTES_MAX // 1_000_000} MB at most",
            )


def evidence_of(case: Case) -> Sha512 | None:
    """The digest that entries of the case carry: that of the claimant's one document; of several,
    that of their list as `sha512sum` prints it; None where there is none."""
    given = [document for document in case.documents if document.side is Side.CLAIMANT]
    if len(given) < 2:
        return given[0].sha512 if given else None
    listed = "".join(f"{document.sha512}  {document.name}\n" for document in given)
    return Sha512(hashlib.sha512(listed.encode()).hexdigest())


def _read(path: Path) -> Case:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Case)
    except msgspec.DecodeError as error:
        raise Corrupt(
            "cannot be read", where=str(path), remedy="restore it from your backup of desk/"
        ) from error
    except OSError as error:
        raise files.explain(error, path) from error
