"""Bytes that stand under a wrong name, and under the right one nowhere: brought where they belong.

A filesystem that was repaired, or a hand, can have files change places. Each then fails its digest,
and what is put in the place of one could be written over the last copy of the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from sonotheque.errors import Corrupt
from sonotheque.vault.roots import Root


def bring_home(
    roots: Sequence[Root], name: str, expected: Mapping[str, str], homeless: Collection[str]
) -> None:
    """Put each of the digests `homeless` that any file of the object `name` has, whatever it is
    called, under a path that should have it (`expected`: path → digest): where that can be in
    another root than where it was found, and never over other bytes that are homeless.

    What is found under a wrong name stays there until it is healed in its turn. The caller holds
    the archive's lock.
    """
    found: dict[str, tuple[Root, str]] = {}
    for root in roots:
        for place in _files(root, name, expected):
            sha512 = root.digest(name, place)
            if sha512 is not None and sha512 in homeless:
                found.setdefault(sha512, (root, place))
    for digest, (source, at) in found.items():
        path = next(path for path, wanted in expected.items() if wanted == digest)
        for target in sorted(roots, key=lambda root: root is source):
            if target.digest(name, path) in found:
                continue
            with contextlib.suppress(Corrupt):
                target.restore_file(name, path, source.blocks(name, at), digest)
                if target.digest(name, path) == digest:
                    break


def _files(root: Root, name: str, expected: Mapping[str, str]) -> Iterator[str]:
    yield from expected
    yield from (path for path in root.strays(name, list(expected)) if not path.endswith("/"))
