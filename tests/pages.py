"""Looks at the admin port's pages in a headless browser, as tests/pages.sh has it run:
    pages.py BROWSER LOG DIRECTORY
The log is a service's, which says where it listens. Each page is looked at in light, dark and 360 pixels wide, and its picture is left in the directory. It fails where the
console has anything to say, where something is asked for that is not the page itself, where a page is wider than the
screen, where text stands out too little, and where a page does not ask for itself anew."""

import base64
import contextlib
import os
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from harness import PATIENCE, addresses, open_tab

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
    clients, admin = addresses(log, "listening", "the admin port listens")
    make_traffic(clients)
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = open_tab(program, profile)
        for path in PAGES:
            found += [f"{path} {complaint}" for complaint in look(browser, admin + path, path[1:], directory)]
        browser.end()
    for complaint in found:
        print(complaint, file=sys.stderr)
    print(f"{len(PAGES)} pages were looked at in {len(VIEWS)} ways each")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
