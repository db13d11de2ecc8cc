"""Uses the examples' pages in a headless browser, as tests/example_pages.sh has it run:
    example_pages.py BROWSER FILES EVENTS
It fails where a page of `files` shows no progress of an upload or not why one is refused, where what is uploaded is not
what is kept, and where one of `events` lacks an event, has one twice or in the wrong order after two rolling updates."""

import contextlib
import hashlib
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import PATIENCE, addresses, open_tab

MIB = 1 << 20

# What `files` takes at most, and a byte more.
TOO_LARGE = 10 * 1024 * MIB + 1


def demand(holds, what):
    if not holds:
        raise SystemExit(what)


class Pod:
    """A process of an example, which is ended with the block that it is for."""

    def __init__(self, program, log, **settings):
        environment = {"HOST": "127.0.0.1", "PORT": "0", "LOG_FORMAT": "json", "DRAIN_DELAY": "1s", **settings}
        with open(log, "wb") as out:
            self.process = subprocess.Popen([program], env=environment, stdout=out)
        self.log = log

    def __enter__(self):
        try:
            [self.origin] = addresses(self.log, "listening")
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.kill()

    def wait_until_ready(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(self.origin + "/readyz"):
                return
            time.sleep(0.05)
        raise SystemExit(f"{self.origin} is not ready within {PATIENCE} s")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def demand_a_good_end(self):
        code = self.process.wait(PATIENCE)
        demand(code == 0, f"a pod has ended with {code}: {self.log.read_text()}")


class Address:
    """One address for several pods, as a Kubernetes Service is one: a new connection goes to the next of those that are
    its endpoints, one that is open stays where it is."""

    def __init__(self, *pods):
        self.pods = list(pods)
        self.taken = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            pod = self.pods[self.taken % len(self.pods)]
            self.taken += 1
            to = urllib.parse.urlsplit(pod.origin)
            server = socket.create_connection((to.hostname, to.port))
            for one, other in [(client, server), (server, client)]:
                threading.Thread(target=self.forward, args=(one, other), daemon=True).start()

    @staticmethod
    def forward(one, other):
        with contextlib.suppress(OSError):
            while some := one.recv(1 << 16):
                other.sendall(some)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


class Speaker(threading.Thread):
    """Says 1, 2, 3 and so on to whichever pod it comes to, until it is stopped."""

    def __init__(self, origin):
        super().__init__(daemon=True)
        self.to = urllib.parse.urlsplit(origin).netloc
        self.said = 0
        self.failure = None
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.05):
            try:
                connection = http.client.HTTPConnection(self.to, timeout=PATIENCE)
                connection.request("POST", "/say", str(self.said + 1))
                status = connection.getresponse().status
                connection.close()
                demand(status == 204, f"it is answered {status}")
            except (OSError, http.client.HTTPException, SystemExit) as failure:
                self.failure = f"{self.said + 1} could not be said: {failure!r}"
                return
            self.said += 1

    def stop(self):
        self.stopping.set()
        self.join()
        demand(self.failure is None, self.failure)


OUTCOME = "document.querySelector('output')?.value ?? ''"

RECORD_PROGRESS = """
    window.progress = [];
    new MutationObserver(() => {
      const shown = document.querySelector("progress");
      if (shown && shown.value !== progress.at(-1)) progress.push(shown.value);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
"""


def upload(browser, path, name, outcome):
    browser.choose_file(str(path))
    browser.wait_until(f"document.querySelector('#uploads')?.innerText.includes({name!r})")
    browser.wait_until(f"({OUTCOME}).includes({outcome!r})")


def limit_uploads(browser, bytes_per_second):
    browser.send(
        "Network.emulateNetworkConditions",
        offline=False, latency=0, downloadThroughput=-1, uploadThroughput=bytes_per_second,
    )


def check_files(browser, program, scratch):
    """An upload is shown as it goes on, and kept as it was; one that is refused or breaks off says so."""
    data = scratch / "data"
    public = pathlib.Path("examples/files/public").resolve()
    good, hidden, large = scratch / "good.bin", scratch / ".hidden", scratch / "large.bin"
    good.write_bytes(random.randbytes(12 * MIB))
    hidden.write_bytes(b"x")
    with open(large, "wb") as file:
        file.truncate(TOO_LARGE)
    with Pod(program, scratch / "files.log", DATA_DIR=str(data), PUBLIC_DIR=str(public)) as pod:
        browser.open(pod.origin)
        browser.wait_until("document.querySelector('input[type=file]')")
        browser.evaluate(RECORD_PROGRESS)

        limit_uploads(browser, 6 * MIB)
        upload(browser, good, "good.bin", "100 %")
        browser.wait_until(f"document.querySelector('table').innerText.includes('{12 * MIB} bytes')")
        progress = browser.evaluate("progress")
        demand(progress == sorted(progress) and progress[-1] == 1, f"progress that goes back or does not end: {progress}")
        demand(sum(0 < share < 1 for share in progress) >= 3, f"hardly any progress was shown: {progress}")
        demand(digest(data / "good.bin") == digest(good), "what is kept is not what was uploaded")

        limit_uploads(browser, -1)
        upload(browser, large, "large.bin", "over MAX_BODY_BYTES")
        upload(browser, hidden, ".hidden", "begins with a dot")
        demand(os.listdir(data) == ["good.bin"], f"a refused upload has left something: {os.listdir(data)}")

        limit_uploads(browser, MIB)
        good.rename(scratch / "broken.bin")
        browser.choose_file(str(scratch / "broken.bin"))
        browser.wait_until("document.querySelector('progress')?.value > 0.1")
        pod.kill()
        browser.wait_until(f"({OUTCOME}).includes('broke off')")
        demand(not (data / "broken.bin").exists(), "half an upload is at its place")
        limit_uploads(browser, -1)
    print(f"ok: an upload shows its progress, in {len(progress)} steps, and what is refused or breaks off says so")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


STATE = "document.querySelector('p')?.textContent"
NEWS = "[...document.querySelectorAll('li')].map(item => Number(item.textContent))"


def check_events(browser, program, scratch):
    """Through two rolling updates, a page that was opened before them shows each event once, in order."""
    settings = {"NEWS_FILE": str(scratch / "news")}
    with contextlib.ExitStack() as pods:
        old = pods.enter_context(Pod(program, scratch / "events-0.log", **settings))
        address = Address(old)
        speaker = Speaker(address.origin)
        speaker.start()
        browser.open(address.origin)
        browser.wait_until(f"({NEWS}).length > 10")
        missed = []
        for update in [1, 2]:
            new = pods.enter_context(Pod(program, scratch / f"events-{update}.log", **settings))
            address.pods = [old, new]
            browser.wait_until(f"({NEWS}).at(-1) > {speaker.said + 10}")
            # The old one serves for its DRAIN_DELAY, in which it ceases to be an endpoint.
            old.terminate()
            address.pods = [new]
            browser.wait_until(f"{STATE} === 'connecting again'")
            before = speaker.said
            browser.wait_until(f"{STATE} === 'connected'")
            missed.append(speaker.said - before)
            old.demand_a_good_end()
            browser.wait_until(f"({NEWS}).at(-1) > {speaker.said}")
            old = new
        speaker.stop()
        browser.wait_until(f"({NEWS}).length >= {speaker.said}", NEWS)
        # Time for one that is told again.
        time.sleep(1)
        news = browser.evaluate(NEWS)
        demand(news == list(range(1, speaker.said + 1)), f"of {speaker.said} events, the page shows {news}")
        demand(min(missed) > 0, "nothing was said while the page was not connected")
        old.terminate()
        old.demand_a_good_end()
    print(f"ok: {len(news)} events through two rolling updates, each once, {missed} of them while not connected")


def main(program, files, events):
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("it took too long"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        scratch = pathlib.Path(scratch)
        browser = open_tab(program, str(scratch / "profile"))
        try:
            check_files(browser, files, scratch)
            check_events(browser, events, scratch)
        finally:
            browser.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
