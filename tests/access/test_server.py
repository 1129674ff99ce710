"""The real server, and its pages in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest

from sonotheque.access.server import serve
from sonotheque.desk.watches import Watches
from sonotheque.errors import EnvironmentFailure, NotFound

STARTED_SECONDS_MAX = 60
SERVE = """
import sys
from pathlib import Path
from sonotheque.access.server import serve
serve(Path(sys.argv[1]), port=0, ready=lambda address: print(address, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture(scope="module")
def server(deposited: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`serve` in a process of its own, and its address."""
    command = [sys.executable, "-c", SERVE, str(deposited.archive.config.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("no output to read the address from")
            address = process.stdout.readline().strip()
            yield process, address.rstrip("/")
        finally:
            process.kill()


def test_a_port_that_is_taken_is_said_with_a_remedy(room: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EnvironmentFailure, match="in use") as caught:
            serve(room.archive.config.directory, port=port)
        assert f"--port {port + 1}" in caught.value.remedy


def test_where_there_is_no_archive_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        serve(tmp_path, port=0)


def test_ranges_and_head_over_the_wire(server: Any, room: Any) -> None:
    _, address = server
    path = f"{address}/recordings/{room.recordings['plain.flac']}/audio"
    content = room.file("plain.flac")
    with httpx.Client() as client:
        part = client.get(path, headers={"Range": "bytes=4-1003"})
        assert (part.status_code, part.content) == (206, content[4:1004])
        head = client.head(path)
        assert head.headers["content-length"] == str(len(content))
        assert client.head(address).status_code == 200


def test_who_watches_is_told_of_a_deposit_that_died_before_it_told(
    archive: Any, deposit: Any, music: Any, tmp_path: Path
) -> None:
    said = {"title": "Nebula", "license": "https://creativecommons.org/licenses/by/4.0/"}
    music.file(tmp_path / "a" / "a.flac", 1, artist="The Alices", **said)
    deposit(tmp_path / "a")
    watches = Watches(archive)
    added = "2026-11-21T10:00:00.000000Z"
    watches.add(artist="The Alices", label="", contact="a@example.org", now=added)
    music.file(tmp_path / "b" / "b.mp3", 1, artist="Nova", **said)
    deposit(tmp_path / "b", now="2026-11-22T10:00:00.000000Z")
    config = archive.config.directory / "archive.toml"
    config.write_text(config.read_text().replace('notify = ""', 'notify = "mailbox:mail.jsonl"'))
    mailbox = archive.config.directory / "mail.jsonl"
    command = [sys.executable, "-c", SERVE, str(archive.config.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            ends = time.monotonic() + STARTED_SECONDS_MAX
            while not mailbox.exists() and time.monotonic() < ends:
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=STARTED_SECONDS_MAX)
    (notice,) = map(json.loads, mailbox.read_text().splitlines())
    assert (notice["contact"], notice["file"]) == ("a@example.org", "b.mp3")
    assert watches.outbox.waiting() == []
    assert watches.tell() == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    profile = tmp_path_factory.mktemp("profile")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("chromium and chromedriver are not installed: apt-get install chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    chrome.set_script_timeout(20)
    yield chrome
    chrome.quit()


def test_every_page_is_accessible_and_fits_a_phone(server: Any, room: Any, browser: Any) -> None:
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    _, address = server
    shown = ("plain.flac", "withdrawn.flac", "hostile.flac", "claimed.ogg")
    recordings = [f"/recordings/{room.recordings[name]}" for name in shown]
    pages = ["/", "/search?q=Piece", "/search?q=zzzz", "/editions", "/editions/1", "/about", "/api"]
    pages += ["/nowhere", f"{recordings[-1]}/audio", *recordings, "/artists", "/prove"]
    pages += [f"{recordings[0]}/claim", f"{recordings[0]}/claim?ask=takedown"]
    wrong = []
    for code, theme in (("en", "light"), ("fr", "dark")):
        emulated = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
        metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for page in pages:
            browser.get(f"{address}{page}{'&' if '?' in page else '?'}lang={code}")
            width = browser.execute_script("return document.documentElement.scrollWidth")
            if width > 360:
                wrong.append(f"{page} {code}: {width} pixels wide")
            browser.execute_script(axe)
            found = browser.execute_async_script("""
                const done = arguments[arguments.length - 1];
                axe.run(document, { resultTypes: ["violations"] }).then(done, String);
            """)
            for violation in found["violations"]:
                where = [node["target"] for node in violation["nodes"]]
                wrong.append(f"{page} {code}: {violation['id']} {where}")
    # What the content security policy forbids is in the log too.
    log = [entry["message"] for entry in browser.get_log("browser")]
    wrong += [message for message in log if not re.search("status of 40[34]", message)]
    assert wrong == []


@pytest.mark.parametrize("name", ["second.ogg", "plain.flac", "studio.aiff"])
def test_the_player_plays_and_seeks(server: Any, room: Any, browser: Any, name: str) -> None:
    _, address = server
    browser.get(f"{address}/recordings/{room.recordings[name]}")
    seeked = browser.execute_async_script("""
        const done = arguments[arguments.length - 1];
        const audio = document.querySelector("audio");
        audio.addEventListener("loadedmetadata", () => { audio.currentTime = 4; });
        audio.addEventListener("seeked", () => done([audio.duration, audio.currentTime]));
        audio.querySelector("source").addEventListener("error", () => done("error"));
        audio.preload = "auto";
        audio.load();
    """)
    assert seeked == [pytest.approx(6, abs=0.1), pytest.approx(4, abs=0.1)]


def test_the_search_box_suggests(server: Any, browser: Any) -> None:
    _, address = server
    browser.get(address)
    suggested = browser.execute_async_script("""
        const done = arguments[arguments.length - 1];
        const box = document.getElementById("q");
        const list = document.getElementById("suggestions");
        new MutationObserver(() => done([...list.options].map((o) => o.value))).observe(
          list, { childList: true });
        box.value = "Piece pl";
        box.dispatchEvent(new Event("input"));
    """)
    assert suggested == ["Piece plain.flac Ada Ångström"]


def test_an_interrupt_ends_it_cleanly(server: Any) -> None:
    process, address = server
    assert httpx.get(address).status_code == 200
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.stdout.read().strip() == "stopped"
    assert process.wait(STARTED_SECONDS_MAX) == 0
    assert time.monotonic() - began < STARTED_SECONDS_MAX
