"""The artist's path, walked in a real browser: found, claimed, seen, changed.

Chromium is driven over a pipe by its own protocol (https://chromedevtools.github.io/devtools-protocol):
no driver is needed, and scripts are switched off, as the site promises to work without any.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from sonotheque.desk.case import Outcome
from sonotheque.desk.handling import Desk
from sonotheque.model.terms import Use
from sonotheque.store.clock import utc_now

CHROMIUM = shutil.which("chromium")
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
SECONDS_MAX = 40
SERVE = """
import sys
from pathlib import Path
from sonotheque.access.server import serve
serve(Path(sys.argv[1]), port=0, ready=lambda address: print(address, flush=True))
"""


class Browser:
    """One page of a browser."""

    def __init__(self, profile: Path) -> None:
        down, self._to = os.pipe()
        self._from, up = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        script = f'exec {CHROMIUM} "$@" 3<&{down} 4>&{up}'
        self._process = subprocess.Popen(
            [
                *("/bin/bash", "-c", script, "chromium", "--headless", "--no-sandbox"),
                *("--disable-gpu", "--disable-background-networking", "--remote-debugging-pipe"),
                *("--disable-dev-shm-usage", f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(down, up),
            stderr=subprocess.DEVNULL,
        )
        os.close(down)
        os.close(up)
        self._rest, self._number, self._session, self._loads = b"", 0, "", 0
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        self.ask("Page.enable")
        self.ask("Emulation.setDeviceMetricsOverride", **PHONE)
        self.ask("Emulation.setScriptExecutionDisabled", value=True)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def go(self, address: str) -> None:
        before = self._loads
        self.ask("Page.navigate", url=address)
        self._loaded(before)

    def run(self, script: str) -> Any:
        """What the script of ours comes to; it works where those of the page are switched off."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get(
            "value"
        )

    def press(self, selector: str) -> None:
        """Click on an element as a finger does, and wait for the page that it leads to."""
        where = self.run(
            f"(() => {{ const e = document.querySelector({selector!r});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const b = e.getClientRects()[0];"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        before = self._loads
        for kind in ("mousePressed", "mouseReleased"):
            self.ask(
                "Input.dispatchMouseEvent",
                type=kind,
                x=where[0],
                y=where[1],
                button="left",
                clickCount=1,
            )
        self._loaded(before)

    def write(self, selector: str, text: str) -> None:
        self.run(f"document.querySelector({selector!r}).focus()")
        self.ask("Input.insertText", text=text)

    def choose(self, selector: str) -> None:
        self.run(f"document.querySelector({selector!r}).checked = true")

    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def fits(self) -> bool:
        """Nothing stands out of the page at the width of a telephone."""
        return bool(self.run("document.documentElement.scrollWidth <= window.innerWidth"))

    def violations(self) -> list[str]:
        """What axe finds in the page that somebody could not use: its own clock is a script's."""
        self.ask("Emulation.setScriptExecutionDisabled", value=False)
        self.run(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        found = self.ask(
            "Runtime.evaluate",
            expression="axe.run(document, { resultTypes: ['violations'] }).then((found) =>"
            " found.violations.map((v) => `${v.id} ${v.nodes.map((n) => n.target)}`))",
            awaitPromise=True,
            returnByValue=True,
        )
        self.ask("Emulation.setScriptExecutionDisabled", value=True)
        told: list[str] = found["result"]["value"]
        return told

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=SECONDS_MAX)
        os.close(self._to)
        os.close(self._from)

    def _loaded(self, before: int) -> None:
        while self._loads == before:
            self._read()

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], SECONDS_MAX)
            more = os.read(self._from, 1 << 16) if ready else b""
            assert more, "the browser says nothing any more"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        self._loads += found.get("method") == "Page.loadEventFired"
        return found


@pytest.fixture
def room(room_apart: Any) -> Any:
    return room_apart


@pytest.fixture
def site(room: Any) -> Iterator[str]:
    """The reading room in a process of its own."""
    command = [sys.executable, "-c", SERVE, str(room.archive.config.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip().rstrip("/")
        finally:
            process.kill()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    opened = Browser(tmp_path / "profile")
    yield opened
    opened.close()


def allowed(room: Any, recording: str) -> set[Use]:
    return {d.use for d in room.archive.decisions(recording, utc_now()) if d.allowed}


def test_an_artist_walks_the_whole_path(room: Any, site: str, browser: Browser) -> None:
    recording = room.recordings["studio.aiff"]
    assert Use.DOWNLOAD in allowed(room, recording)
    browser.go(f"{site}/artists?lang=en")
    assert "Is your music here?" in browser.text() and browser.fits()
    browser.write("#q", "studio")
    browser.press(".search button")
    browser.press(f'a[href="/recordings/{recording}"]')
    assert "Is this yours?" in browser.text()
    browser.press(f'a[href="/recordings/{recording}/claim"]')
    assert browser.fits()
    for use in ("mine", "train-ai", "train-generative-ai"):
        assert browser.run(f"document.querySelector('[name=use-{use}]:checked').value") == "no"
    browser.write("#name", "Ada")
    browser.write("#contact", "ada@example.org")
    browser.write("#said", "I played it.")
    browser.choose('[name="use-download"][value="no"]')
    browser.choose('[name="use-stream"][value="yes"]')
    browser.choose('[name="faith"]')
    browser.press(".letter button")
    assert "Your case" in browser.text() and "Open: a person" in browser.text()
    assert browser.fits() and browser.violations() == []
    assert allowed(room, recording).isdisjoint({Use.DOWNLOAD, Use.MINE, Use.TRAIN_AI})
    address = str(browser.run("location.href"))
    number = address.split("/")[4]
    # The proof: the entries are on the recording's page.
    browser.press('a[href*="#entry-"]')
    assert "somebody whose name is not public" in browser.text()
    assert "(case" not in browser.text()
    Desk(room.archive).decide(number, "Bo", Outcome.UPHELD, "It is hers.", utc_now())
    browser.go(address)
    assert "It is hers." in browser.text() and "Appeal" in browser.text()
    assert browser.violations() == []
    # Changing their mind: nothing at all any more.
    browser.choose('[name="use-stream"][value="no"]')
    browser.press("#change ~ form button")
    assert Use.STREAM not in allowed(room, recording)
    assert "Changed their mind" in browser.text() and browser.fits()
    browser.go(f"{address}?lang=fr")
    assert "Votre dossier" in browser.text() and browser.fits() and browser.violations() == []
