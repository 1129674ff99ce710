"""Object storage: what lies below one prefix of an S3 bucket, through obstore.

There is no rename here and no directory. What there is: a PUT shows an object whole or not at
all, and a PUT that may only create leaves what is there. Stores exist that take the second and
overwrite in silence, so `probe` asks before anything is trusted to one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import cached_property

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore as Client
from obstore.store import S3Store

from sonotheque.errors import BadInput, EnvironmentFailure, NotFound, Refused

PART_BYTES = 16 << 20
"""What is larger goes in parts of this size; S3 takes 10,000, so 160 GB is the largest object."""
RANGE_BYTES = 8 << 20
"""What one request reads: a request that lasts as long as its reader takes would be cut off."""
_PARTS_AT_ONCE = 2
_PROBE = "probe-"
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_DENIED = (PermissionDeniedError, UnauthenticatedError)
_DENIED_CODES = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_AGAIN = (
    "check its address and that it runs; then run the same command again: it goes on from there"
)


class ObjectStore:
    """Objects by their keys, relative to one prefix. In memory: a few blocks at a time.

    `where` is the address for messages; `connect` is asked once, when something is first read
    or written. Everything here raises EnvironmentFailure where the store does not answer, lacks
    the bucket or denies access.
    """

    def __init__(self, where: str, connect: Callable[[], Client]) -> None:
        self.where = where
        self._connect = connect

    @cached_property
    def _client(self) -> Client:
        return self._connect()

    def write(self, key: str, content: Iterable[bytes], *, replace: bool) -> bool:
        """Make `key` hold `content`, whole or not at all; False where it is taken and `replace`
        was not asked for.

        An exception that `content` raises passes through, and nothing is written.
        """
        blocks = iter(content)
        head, size = [], 0
        for block in blocks:
            head.append(block)
            size += len(block)
            if size > PART_BYTES:
                return self._write_parts(key, itertools.chain(head, blocks), replace=replace)
        with self._reported(key):
            try:
                obstore.put(
                    self._client,
                    key,
                    b"".join(head),
                    mode="overwrite" if replace else "create",
                    use_multipart=False,
                )
            except AlreadyExistsError:
                return False
        return True

    def _write_parts(self, key: str, content: Iterator[bytes], *, replace: bool) -> bool:
        # Not every store can complete an upload in parts on the condition that the key is free.
        if not replace and self.size(key) is not None:
            return False
        with self._reported(key):
            obstore.put(
                self._client,
                key,
                content,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
        return True

    def read(self, key: str) -> bytes | None:
        """The whole of a small object; None where there is none."""
        with self._reported(key):
            try:
                return bytes(obstore.get(self._client, key).bytes())
            except FileNotFoundError:
                return None

    def blocks(self, key: str, *, first: int = 0, byte_count: int | None = None) -> Iterator[bytes]:
        """The bytes of an object, from byte `first` on, RANGE_BYTES at most at a time.

        Raises NotFound where there is none.
        """
        end = None if byte_count is None else first + byte_count
        while end is None or first < end:
            stop = first + RANGE_BYTES
            block, size = self._range(key, first, stop if end is None else min(stop, end))
            if block:
                yield block
            first += len(block)
            if not block or first >= size:
                return

    def _range(self, key: str, first: int, stop: int) -> tuple[bytes, int]:
        """Those bytes of the object, and how many it has."""
        with self._reported(key):
            try:
                found = obstore.get(self._client, key, options={"range": (first, stop)})
                return bytes(found.bytes()), found.meta["size"]
            except FileNotFoundError:
                raise NotFound(
                    "is not there", where=f"{self.where}/{key}", remedy="check the key"
                ) from None
            except BaseError:
                # To ask for bytes behind the last one, the only one of an empty object too, is
                # an error of its own in every store.
                size = self.size(key)
                if size is None or first < size:
                    raise
                return b"", size

    def size(self, key: str) -> int | None:
        """Bytes of the object; None where there is none."""
        with self._reported(key):
            try:
                return int(obstore.head(self._client, key)["size"])
            except FileNotFoundError:
                return None

    def list(self, *, below: str = "", after: str = "") -> Iterator[str]:
        """Every key, or every one below the directory `below`, in order; those alone that sort
        behind `after`. A page at a time."""
        with self._reported(below):
            for page in obstore.list(
                self._client, below or None, offset=after or None, chunk_size=1000
            ):
                for meta in page:
                    yield meta["path"]

    def delete(self, key: str) -> None:
        with self._reported(key):
            obstore.delete(self._client, key)

    def probe(self) -> None:
        """Check that the store keeps what it was given and does what this class relies on.

        Raises Refused, with the reason, where it does not; nothing is left of the probe.
        """
        key = f"{_PROBE}{secrets.token_hex(8)}"
        if not self.write(key, [b"first"], replace=False):
            raise self._unfit("it says that a new key is taken")
        try:
            if self.write(key, [b"second"], replace=False) or self.read(key) != b"first":
                raise self._unfit("it silently overwrites what a PUT may only create")
            self._probe_range(key)
            if key not in set(self.list()):
                raise self._unfit("it does not list what it holds")
        finally:
            self.delete(key)

    def _probe_range(self, key: str) -> None:
        try:
            middle = b"".join(self.blocks(key, first=1, byte_count=3))
        except EnvironmentFailure as error:
            raise self._unfit("it does not answer a ranged read with that range") from error
        if middle != b"irs":
            raise self._unfit("it answers a ranged read with other bytes")

    def _unfit(self, reason: str) -> Refused:
        return Refused(
            f"cannot be trusted with a storage root: {reason}",
            where=self.where,
            remedy="name a store that honours If-None-Match and Range, or a directory",
        )

    def is_probe(self, key: str) -> bool:
        """Whether `key` is what `probe` left when its process died."""
        return key.startswith(_PROBE)

    @contextlib.contextmanager
    def _reported(self, key: str) -> Iterator[None]:
        """Turn the refusals of obstore into this package's errors, each on one line."""
        try:
            yield
        # A key that is missing is an answer where it is asked for; here it is the bucket.
        except (BaseError, OSError, ValueError) as error:
            raise self._explained(error, f"{self.where}/{key}" if key else self.where) from error

    def _explained(self, error: Exception, where: str) -> BadInput | EnvironmentFailure:
        reason = _reason(error)
        if isinstance(error, FileNotFoundError) or reason == "NoSuchBucket":
            return EnvironmentFailure(
                "there is no such bucket", where=self.where, remedy="make it, or correct its name"
            )
        if isinstance(error, _DENIED) or reason in _DENIED_CODES:
            return EnvironmentFailure(
                f"access denied ({reason})",
                where=where,
                remedy=f"check {' and '.join(_CREDENTIALS)}, and what that key may do",
            )
        if isinstance(error, ValueError):
            return BadInput(
                f"is no key that a store takes ({reason})", where=where, remedy="rename it"
            )
        return EnvironmentFailure(
            f"the store did not answer as it should ({reason})", where=where, remedy=_AGAIN
        )


def open_bucket(url: str, endpoint: str = "") -> ObjectStore:
    """The store behind `s3://bucket/prefix`, at `endpoint` (AWS, or what AWS_ENDPOINT_URL says,
    where it is empty). Region and credentials come from the environment, AWS_*.

    Nothing is asked of the network yet.
    """
    bucket, _, prefix = url.removeprefix("s3://").partition("/")

    def connect() -> Client:
        missing = [name for name in _CREDENTIALS if not os.environ.get(name)]
        if missing:
            raise EnvironmentFailure(
                f"{missing[0]} is not set",
                where=url,
                remedy=f"put {' and '.join(_CREDENTIALS)} into the environment",
            )
        return S3Store(
            bucket,
            prefix=prefix or None,
            client_options={"allow_http": True, "timeout": timedelta(minutes=2)},
            retry_config={"max_retries": 4, "retry_timeout": timedelta(minutes=3)},
            config={"endpoint": endpoint} if endpoint else {},
        )

    return ObjectStore(url, connect)


def _reason(error: Exception) -> str:
    """What the store said, without the request and the stack that obstore adds."""
    text = str(error)
    if code := re.search(r"<Code>(\w+)</Code>", text):
        return code[1]
    return text.partition("\n")[0].rpartition(" - ")[2].strip(": ")
