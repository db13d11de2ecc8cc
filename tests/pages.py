"""Looks at the admin port's pages in a headless browser, as tests/pages.sh has it run:
    pages.py BROWSER LOG DIRECTORY
The log is a service's, which says where it listens. Each page is looked at in light, dark and 360 pixels wide, and its picture is left in the directory. It fails where the
console has anything to say, where something is asked for that is not the page itself, where a page is wider than the
screen, where text stands out too little, and where a page does not ask for itself anew."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

PATIENCE = 60
PAGES = ["/statusz", "/flagz", "/threadz", "/tracez"]
VIEWS = {
    "light": (1280, 900, "light", False),
    "dark": (1280, 900, "dark", False),
    "narrow": (360, 740, "light", True),
    "narrow-dark": (360, 740, "dark", True),
}

# What a text's colour has to differ from what is behind it: WCAG 2.2, success criterion 1.4.3.
CONTRAST = """(() => {
  const light = colour => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(part => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const weak = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [one, other] = [light(colour), light(behind(element))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) weak.add(element.localName + "." + element.className);
  }
  return [...weak].join(", ");
})()"""


class Browser:
    """A browser that is spoken to over two pipes, in the DevTools protocol."""

    def __init__(self, program, profile):
        to_read, self.to = os.pipe()
        self.read, to_write = os.pipe()
        arguments = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
        ]

        def in_place():
            # Above both, or one might be closed by the other.
            reader, writer = os.dup(to_read), os.dup(to_write)
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        self.process = subprocess.Popen(
            arguments, preexec_fn=in_place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self.unread = b""
        self.last = 0
        self.events = []
        self.session = None

    def send(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            message = self.next()
            if message.get("id") == self.last:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def next(self):
        while b"\0" not in self.unread:
            read = os.read(self.read, 1 << 16)
            if not read:
                raise SystemExit("the browser has ended")
            self.unread += read
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def wait_for(self, method, times=1):
        deadline = time.monotonic() + PATIENCE
        while sum(event["method"] == method for event in self.events) < times:
            if time.monotonic() > deadline:
                raise SystemExit(f"no {method} within {PATIENCE} s")
            # Answered at once, so that this waits for no event for ever.
            self.send("Runtime.evaluate", expression="1")
            time.sleep(0.05)

    def evaluate(self, expression):
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


def open_tab(program, profile):
    browser = Browser(program, profile)
    target = browser.send("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ["Page", "Log", "Network", "Runtime"]:
        browser.send(f"{domain}.enable")
    return browser


def complaints(browser, url):
    """What the events of one look at a page tell of it."""
    for event in browser.events:
        method, parameters = event["method"], event.get("params", {})
        if method == "Log.entryAdded":
            yield "the console says: " + parameters["entry"]["text"]
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            yield f"a script ran: {parameters}"
        elif method == "Network.requestWillBeSent" and parameters["request"]["url"] not in (url, "data:,"):
            yield "it asks for " + parameters["request"]["url"]
        elif method == "Network.responseReceived" and parameters["response"]["url"] == url:
            if parameters["response"]["status"] != 200:
                yield f"it is answered {parameters['response']['status']}"


def look(browser, url, name, directory):
    for view, (width, height, scheme, is_phone) in VIEWS.items():
        browser.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )
        browser.send(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        browser.events.clear()
        browser.send("Page.navigate", url=url)
        browser.wait_for("Page.loadEventFired")
        yield from (f"{view}: {complaint}" for complaint in complaints(browser, url))
        wide = browser.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        if wide > width:
            yield f"{view}: it is {wide} pixels wide"
        weak = browser.evaluate(CONTRAST)
        if weak:
            yield f"{view}: text that stands out too little: {weak}"
        picture = browser.send("Page.captureScreenshot", captureBeyondViewport=True)
        with open(os.path.join(directory, f"{name}-{view}.png"), "wb") as file:
            file.write(base64.b64decode(picture["data"]))
    browser.events.clear()
    browser.send("Page.navigate", url=url)
    browser.wait_for("Page.loadEventFired", 2)


def addresses(log):
    """Where the service listens, for clients and for its operators, as its log says."""
    wanted = {"listening": None, "the admin port listens": None}
    deadline = time.monotonic() + PATIENCE
    while None in wanted.values():
        if time.monotonic() > deadline:
            raise SystemExit(f"{log} does not say where the service listens")
        time.sleep(0.1)
        with open(log, encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines if line.endswith("\n")]
        for record in records:
            if record["msg"] in wanted:
                wanted[record["msg"]] = "http://" + record["addr"]
    return wanted.values()


def ask(url):
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(url) as answer:
        answer.read()


def make_traffic(origin):
    """Requests of all kinds, for as long as it takes to have two points of each line."""
    for number in range(2):
        # Still running when the pages are looked at.
        threading.Thread(target=ask, args=(f"{origin}/delay/{PATIENCE + number}",), daemon=True).start()
    end = time.monotonic() + 9
    while time.monotonic() < end:
        for path in ["/", "/bytes/100000", "/status/404", "/status/503", "/panic", "/delay/0.02", "/%22%3E%3Cscript%3E"]:
            ask(origin + path)
        ask(origin + "/" + "a-long-path-without-a-place-to-break" * 5)
        time.sleep(0.02)


def main(program, log, directory):
    clients, admin = addresses(log)
    make_traffic(clients)
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = open_tab(program, profile)
        for path in PAGES:
            found += [f"{path} {complaint}" for complaint in look(browser, admin + path, path[1:], directory)]
        browser.process.kill()
        browser.process.wait()
    for complaint in found:
        print(complaint, file=sys.stderr)
    print(f"{len(PAGES)} pages were looked at in {len(VIEWS)} ways each")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
