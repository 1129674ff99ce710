"""XML from others: no document type, so no entities; nothing fetched, nothing expanded.

A document that declares a type is refused before any of the declaration is read, by expat, which
sees it as what it is in every encoding; lxml then parses with all of that switched off besides.
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

from lxml import etree

HEAD_BYTES = 1 << 16
"""A root element begins within this."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Element = Any
"""An lxml element; lxml brings no types."""


def xml_text(text: str) -> str:
    """`text` with U+FFFD for what XML cannot hold (XML 1.0, section 2.2)."""
    return _NO_XML.sub("\ufffd", text)


class Unfit(Exception):
    """A document that is set aside as `code`; `why` is what a parser said."""

    def __init__(self, code: str, why: str = "") -> None:
        self.code = code
        self.why = why
        super().__init__(code)


class _Found(Exception):
    """Stops the parser where it has seen enough."""


def root_of(head: bytes) -> tuple[str, int]:
    """(the name of the root element as it is written, the byte that its start tag begins with).

    `head` is the beginning of a document. Raises Unfit.
    """
    parser = expat.ParserCreate()
    found: list[tuple[str, int]] = []

    def refuse(*_: object) -> None:
        raise Unfit("xml.entities")

    def stop(name: str, _: object) -> None:
        found.append((name, parser.CurrentByteIndex))
        raise _Found

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = stop
    try:
        parser.Parse(head[:HEAD_BYTES], False)
    except _Found:
        return found[0]
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Unfit("xml.broken", str(error)) from error
    raise Unfit("xml.broken", "no root element")


def parse(content: bytes) -> Element:
    """The root element of the document `content`. Raises Unfit.

    libxml2's own limits stay on: a depth of 256, a text of 10 million bytes.
    """
    root_of(content)
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise Unfit("xml.broken", str(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unfit("xml.entities")
    return root


def text_of(element: Element, path: str) -> str:
    """The text of the first element at `path` below; empty where there is none."""
    return (element.findtext(path) or "").strip() if element is not None else ""
