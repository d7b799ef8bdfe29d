"""Headless Chromium by its debugging protocol: open, look, click, type, photograph.

with Browser() as browser:
    tab = browser.open(f"{site}/zh", width=390, height=844, dark=True)
    tab.wait("document.querySelector('.area')")
    tab.screenshot(path)
    assert tab.errors == []
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import websocket

from .peers import need

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--remote-debugging-port=0", "--remote-allow-origins=*",
    "--disable-dev-shm-usage", "--lang=zh-CN",
)  # fmt: skip


class Browser:
    """One process with an empty profile; tabs share nothing but it."""

    def __enter__(self) -> Browser:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [need("chromium"), *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stderr
        for line in self._process.stderr:
            if found := re.search(r"ws://(\S+?)/", line):
                self._address = found[1]
                return self
        raise RuntimeError("chromium ended before it listened")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        assert self._process.stderr
        self._process.stderr.close()
        self._profile.cleanup()

    def open(self, address: str, width: int = 1440, height: int = 900, dark: bool = False) -> Tab:
        new = urllib.request.Request(f"http://{self._address}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(new, timeout=10) as answer:
            about = json.load(answer)
        tab = Tab(about["webSocketDebuggerUrl"])
        tab.view(width, height, dark)
        tab.go(address)
        return tab


class Tab:
    def __init__(self, address: str) -> None:
        self._wire = websocket.create_connection(address, timeout=30, max_size=None)
        self._number = 0
        self.errors: list[str] = []  # of the console, and uncaught ones
        self.requests: list[str] = []  # every address the page asked for
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._wire.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._wire.recv())
            if told.get("id") == self._number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return told["result"]
            self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        about = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif told.get("method") == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif told.get("method") == "Runtime.consoleAPICalled" and about["type"] == "error":
            words = (str(a.get("value", a.get("description", ""))) for a in about["args"])
            self.errors.append(" ".join(words))
        elif told.get("method") == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])

    def view(self, width: int, height: int, dark: bool = False) -> None:
        phone = width < 600
        self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        self.do("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, address: str) -> None:
        self.do("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def js(self, expression: str) -> Any:
        """The value of an expression; a promise is awaited. None when it led to another page."""
        try:
            told = self.do(
                "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
            )
        except RuntimeError as error:
            if "navigated" in str(error):
                return None
            raise
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"].get("exception", {}).get("description"))
        return told["result"].get("value")

    def wait(self, expression: str, seconds: float = 10) -> float:
        """Seconds until it is true. Raises TimeoutError that shows what the page says."""
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            try:
                if self.js(f"Boolean({expression})"):
                    return time.perf_counter() - began
            except RuntimeError:
                pass  # between two documents there is nothing to ask
            self.js("new Promise(done => setTimeout(done, 15))")
        said = self.js("document.body ? document.body.innerText.slice(0, 400) : ''")
        raise TimeoutError(f"never true: {expression}\nerrors: {self.errors}\npage: {said}")

    def click(self, selector: str) -> None:
        """With a real mouse, in the middle of the first element found."""
        place = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        assert place, f"nothing to click at {selector}"
        for kind in ("mousePressed", "mouseReleased"):
            self.do(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left",
                clickCount=1,
            )  # fmt: skip

    def key(self, key: str, control: bool = False) -> None:
        code = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9}.get(key, 0)
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 and not control else "")
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if control else 0}
        self.do(
            "Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {})
        )
        self.do("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        self.do("Input.insertText", text=text)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        told = self.do("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def close(self) -> None:
        self.do("Page.close")
        self._wire.close()
