"""A headless Chromium, driven by the DevTools protocol through two pipes: nothing but Python's standard library."""

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find():
    """The browser's path; None where there is none (Ubuntu's chromium-browser is a stub that asks for a snap)."""
    for name in NAMES:
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


class Failed(Exception):
    pass


class Chromium:
    def __init__(self, path):
        self.profile = tempfile.mkdtemp(prefix="lethe-browser-")
        to_browser, self.to = os.pipe()
        self.back, from_browser = os.pipe()

        def pipes():  # the browser reads commands from 3 and answers on 4
            os.dup2(to_browser, 103)
            os.dup2(from_browser, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen(
            [path, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
             "--force-color-profile=srgb", "--disable-background-networking", f"--user-data-dir={self.profile}",
             "--remote-debugging-pipe", "about:blank"],
            close_fds=False, preexec_fn=pipes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.number = 0
        self.answers = {}
        self.arrived = threading.Condition()
        self.sessions = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        rest = b""
        while True:
            piece = os.read(self.back, 1 << 16)
            if not piece:
                return
            *messages, rest = (rest + piece).split(b"\0")
            for m in messages:
                message = json.loads(m)
                if "id" in message:
                    with self.arrived:
                        self.answers[message["id"]] = message
                        self.arrived.notify_all()
                elif message.get("sessionId") in self.sessions:
                    self.sessions[message["sessionId"]].put(message)

    def call(self, method, session=None, **parameters):
        with self.arrived:
            self.number += 1
            number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        with self.arrived:
            if not self.arrived.wait_for(lambda: number in self.answers, timeout=60):
                raise Failed(f"Chromium does not answer {method}")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    def page(self, width=1280, height=800, **look):
        """A page in a profile of its own, as another person's browser has it."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.sessions[session] = queue.Queue()
        return Page(self, session, target, width, height, **look)

    def close(self):
        try:
            self.call("Browser.close")
        except (Failed, OSError):
            pass
        self.process.wait(timeout=20)
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    def __init__(self, browser, session, target, width, height, **look):
        self.browser, self.session, self.target = browser, session, target
        self.events = browser.sessions[session]
        self.faults = []
        self.requests = []
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")
        self.size(width, height, **look)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def size(self, width, height=800, dark=False, still=True):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def open(self, url):
        """From nothing: also where only what follows # differs."""
        for where in ("about:blank", url):
            self.call("Page.navigate", url=where)
            self.wait(f"location.href.startsWith({json.dumps(where)}) && document.readyState === 'complete'")

    def reload(self):
        self.call("Page.reload")
        time.sleep(0.2)
        self.wait("document.readyState === 'complete'")

    def _events(self):
        while True:
            try:
                m = self.events.get_nowait()
            except queue.Empty:
                return
            p = m["params"]
            if m["method"] == "Runtime.exceptionThrown":
                d = p["exceptionDetails"]
                self.faults.append(f"{d.get('exception', {}).get('description', d['text'])} ({d.get('url')}:{d.get('lineNumber')})")
            elif m["method"] == "Log.entryAdded" and p["entry"]["level"] == "error":
                self.faults.append(f"{p['entry']['text']} ({p['entry'].get('url', '')})")
            elif m["method"] == "Runtime.consoleAPICalled" and p["type"] in ("error", "assert"):
                self.faults.append(" ".join(str(a.get("value", a.get("description"))) for a in p["args"]))
            elif m["method"] == "Network.requestWillBeSent":
                self.requests.append(p["request"]["url"])

    def faults_so_far(self, but=()):
        """What the console complained of; but: texts that are expected."""
        self._events()
        found = [f for f in self.faults if not any(b in f for b in but)]
        self.faults = []
        return found

    def js(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            d = answer["exceptionDetails"]
            raise Failed(f"{expression}: {d.get('exception', {}).get('description', d['text'])}")
        return answer["result"].get("value")

    def wait(self, expression, seconds=30, what=None):
        end = time.monotonic() + seconds
        while True:
            try:
                value = self.js(f"(x => x instanceof Node ? true : x)({expression})")
            except Failed:  # the page is on its way
                value = None
            if value:
                return value
            if time.monotonic() > end:
                self._events()
                raise Failed(f"waited {seconds} s for: {what or expression}; {self.faults}")
            time.sleep(0.05)

    def text(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def seen(self, selector):
        return self.js(f"!!document.querySelector({json.dumps(selector)})?.checkVisibility()")

    def click(self, selector):
        """With the mouse, in the middle of the element."""
        self.wait(f"document.querySelector({json.dumps(selector)})?.checkVisibility() && !document.querySelector({json.dumps(selector)}).disabled",
                  what=f"{selector} to click on")
        x, y = self.js(f"(e => {{ e.scrollIntoView({{block: 'center', behavior: 'instant'}}); const b = e.getBoundingClientRect();"
                       f" return [b.x + b.width / 2, b.y + b.height / 2]; }})(document.querySelector({json.dumps(selector)}))")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key, shift=False):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39}
        p = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": codes[key], "modifiers": 8 if shift else 0}
        words = {"Enter": "\r", " ": " "}.get(key)
        self.call("Input.dispatchKeyEvent", type="keyDown", **p, **({"text": words} if words else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **p)

    def write(self, selector, words):
        """Puts words into a field, as typed over what it holds."""
        self.wait(f"document.querySelector({json.dumps(selector)})?.checkVisibility()", what=f"{selector} to write into")
        self.js(f"(e => {{ e.focus(); e.select?.(); }})(document.querySelector({json.dumps(selector)}))")
        if words:
            self.call("Input.insertText", text=words)
        else:
            self.js(f"(e => {{ e.value = ''; e.dispatchEvent(new Event('input', {{bubbles: true}})); }})(document.querySelector({json.dumps(selector)}))")

    def choose(self, selector, value):
        self.js(f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input', {{bubbles: true}}));"
                f" e.dispatchEvent(new Event('change', {{bubbles: true}})); }})(document.querySelector({json.dumps(selector)}))")

    def picture(self, path, whole=False):
        p = {"format": "png"}
        if whole:
            width, height = self.js("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            p.update(captureBeyondViewport=True, clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1})
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", **p)["data"]))
