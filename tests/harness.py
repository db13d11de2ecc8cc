"""What the tests that look at pages share: a headless browser, and where a service listens."""

import json
import os
import select
import subprocess
import time

PATIENCE = 60


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
            if not select.select([self.read], [], [], PATIENCE)[0]:
                raise SystemExit(f"the browser says nothing for {PATIENCE} s")
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

    def wait_until(self, condition, at_fault="document.body.innerText"):
        """Waits until a script's expression is true; what another one tells is said where it never is."""
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {PATIENCE} s: {condition}: {self.evaluate(at_fault)}")
            time.sleep(0.05)

    def open(self, url):
        self.events.clear()
        self.send("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def choose_file(self, path):
        """Has the page's input for files take one, as its user would."""
        found = self.send("Runtime.evaluate", expression="document.querySelector('input[type=file]')")
        self.send("DOM.setFileInputFiles", files=[path], objectId=found["result"]["objectId"])

    def end(self):
        self.process.kill()
        self.process.wait()


def open_tab(program, profile):
    browser = Browser(program, profile)
    target = browser.send("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ["Page", "Log", "Network", "Runtime"]:
        browser.send(f"{domain}.enable")
    return browser


def addresses(log, *messages):
    """Where a service listens, as these records of its log say."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with open(log, encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines if line.endswith("\n")]
        found = {record["msg"]: "http://" + record["addr"] for record in records if record["msg"] in messages}
        if len(found) == len(messages):
            return [found[message] for message in messages]
        if time.monotonic() > deadline:
            raise SystemExit(f"{log} does not say where the service listens")
        time.sleep(0.1)
