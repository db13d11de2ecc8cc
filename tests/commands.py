#!/usr/bin/env python3
"""Types what README, guide and template tell a reader to type, and looks whether it does what they say.

    tests/commands.py [DIRECTORY]    needs Rust with the musl target, curl and kubectl (for its kustomize; no cluster)

Each line of a `sh` block is run as it stands, in the place that the text before it names, and so is each step of the
template's CI; what a `console` block shows has to be what comes out. `cargo run` serves until the next one, or the end of
the page, then gets a SIGTERM and has to end with 0. What is different from a reader's terminal:

- ports 8080 and 9090 are others, which are free;
- a program of that name stands for `kubectl` and the cluster behind it;
- the reference service is built without `--release`: `tests/starts.sh` has the one that is.

What needs containers or minutes is tried by a script that `.ci/run` runs: a line that is neither typed here nor there
fails. Into DIRECTORY goes what is made on the way, the template's copy as `copy`.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(f"src/guide/{page.name}" for page in (ROOT / "src/guide").glob("*.md"))]
TEMPLATE = "examples/template/README.md"
CI = ".github/workflows/ci.yml"
PATIENCE = 600

# What other scripts try, each of which has to be one that `.ci/run` runs.
ELSEWHERE = {
    "podman build --format docker -t hello:0.1.0 .": "tests/examples.sh images",
    "podman build --format docker -t seaworthy:0.2.0 .": "tests/e2e.sh",
}

# Those of the README's first block, which `.ci/run` reads out of it.
TESTS = {"cargo test", "cargo test --test it -- --ignored"}

# Words of the text before a block, and where its commands are typed.
PLACES = {
    "In a checkout": "checkout",
    "In the repository": "checkout",
    "in the repository by": "checkout",
    "in the copy": "copy",
    "`examples/template` is a service": "copy",
    "## A service of your own": "empty",
}


def fail(problem):
    sys.exit(f"FAILED: {problem}")


def blocks(text):
    """Each fenced block: its word, its text, and what was written since the one before."""
    before = 0
    for match in re.finditer(r"^```([a-z]+)[^\n]*\n(.*?)^```$", text, re.M | re.S):
        yield match[1], match[2], text[before : match.start()]
        before = match.end()


def commands(block):
    """The lines of a shell, without what only explains them."""
    for line in block.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+#\s.*$", "", line).strip()
        if command:
            yield command


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


class Reader:
    """Somebody at a terminal: for each page an empty directory with a checkout in it, and a copy of the template."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.places = {"checkout": ROOT, "copy": scratch / "copy"}
        self.served = None
        self.tried = 0
        shutil.copytree(ROOT / "examples/template", scratch / "copy", ignore=shutil.ignore_patterns("target"))
        # Shared with the other examples, and where the steps look for it.
        (scratch / "copy/target").symlink_to(ROOT / "target/examples")
        # The crate as it will be had once it is published.
        with open(scratch / "copy/.cargo/config.toml", "a", encoding="utf-8") as config:
            config.write(f'\n[patch.crates-io]\nseaworthy = {{ path = "{ROOT}" }}\n')
        stand_in = scratch / "bin/kubectl"
        stand_in.parent.mkdir()
        stand_in.write_text(KUBECTL.format(kubectl=shutil.which("kubectl") or fail("kubectl is not there"), root=ROOT))
        stand_in.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{stand_in.parent}:{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(ROOT / "target/examples"),
            "ADMIN_TOKEN": "of the reader",
        }

    def read(self, page):
        text = (ROOT / page).read_text(encoding="utf-8")
        empty = self.scratch / page.replace("/", "-")
        empty.mkdir()
        (empty / "seaworthy").symlink_to(ROOT)
        self.places["empty"] = empty
        self.cwd = self.places["copy"] if page == TEMPLATE else empty
        for word, block, before in blocks(text):
            for words, place in PLACES.items():
                if words in before:
                    self.stop()
                    self.cwd = self.places[place]
            if word == "rust" and "fn main()" in block and (self.cwd / "src/main.rs").exists() and self.cwd != ROOT:
                (self.cwd / "src/main.rs").write_text(block, encoding="utf-8")
            elif word == "sh":
                for command in commands(block):
                    self.type(page, command)
            elif word == "console":
                self.converse(page, block)
        self.stop()

    def type(self, page, command):
        self.tried += 1
        if tried_elsewhere(page, command):
            print(f"elsewhere: {command}", flush=True)
            return
        print(f"{page}: {command}", flush=True)
        if re.fullmatch(r"([A-Z]+=\S+ )*cargo run( --release)?", command):
            self.stop()
            self.serve(page, command.replace(" --release", ""))
            return
        if command.startswith("curl"):
            self.reference_service_at_hand(page)
            self.run(page, self.here(f"{command} --fail --silent --show-error --max-time 20"))
            return
        # What a command changes of the place is kept.
        said = self.run(page, f"{command} && printf '\\n%s\\n' \"$PWD\"")
        self.cwd = pathlib.Path(said.splitlines()[-1])

    def run(self, page, command):
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self.cwd, env=self.environment, timeout=PATIENCE,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        if ran.returncode != 0:
            fail(f"{page}: {command}\n{ran.stdout}")
        return ran.stdout

    def converse(self, page, block):
        for question in block.split("$ ")[1:]:
            command, _, expected = question.partition("\n")
            self.tried += 1
            print(f"{page}: {command}", flush=True)
            if self.served is None:
                fail(f"{page}: nothing serves that could be asked {command}")
            said = self.run(page, self.here(command.replace("curl ", "curl --silent --show-error --max-time 20 ", 1)))
            if said.strip() != expected.strip():
                fail(f"{page}: {command}\nsays\n{said}\nand not\n{expected}")

    def here(self, command):
        """The same at the ports that were free."""
        for port, free in [("8080", self.port), ("9090", self.admin_port)]:
            command = command.replace(f"localhost:{port}", f"localhost:{free}")
        return command

    def serve(self, page, command):
        """Builds first, so that the time it takes to start is the service's own."""
        self.run(page, "cargo build --quiet")
        self.port, self.admin_port = free_port(), free_port()
        asked_for = re.search(r"\bPORT=(\d+)", command)
        command = command.replace(asked_for[0], f"PORT={self.port}") if asked_for else command
        environment = {"PORT": self.port, "ADMIN_PORT": self.admin_port, "DRAIN_DELAY": "0", "LOG_FORMAT": "json"}
        self.served = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"], cwd=self.cwd, env={**self.environment, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        said = []
        for line in self.served.stdout:
            said.append(line)
            if '"msg":"started"' in line:
                break
        else:
            fail(f"{page}: {command} does not start: {''.join(said)}{self.served.stderr.read()}")
        if f':{self.port}"' not in "".join(said):
            fail(f"{page}: {command} does not listen on its port: {said}")

    def reference_service_at_hand(self, page):
        if self.served is None:
            self.cwd = ROOT
            self.serve(page, "cargo run")

    def stop(self):
        if self.served is None:
            return
        self.served.send_signal(signal.SIGTERM)
        said, _ = self.served.communicate(timeout=PATIENCE)
        report = said.splitlines()[-1]
        if self.served.returncode != 0 or '"msg":"drained"' not in report:
            fail(f"what was started ends with {self.served.returncode}: {said}")
        self.served = None


def tried_elsewhere(page, command):
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    script = re.fullmatch(r"(?:sudo )?(tests/\S+\.(?:sh|py))", command)
    by = ELSEWHERE.get(command, script[1] if script else None)
    if page == "README.md" and command in TESTS:
        by = "README.md"
    if by is not None and by not in ci:
        fail(f"{command} would be tried by {by}, which .ci/run does not run")
    if by is None and command.startswith("ROLLING_UPDATE_SCALE="):
        # The same at a scale of seconds is among those that CI runs; here only that the words still name it.
        named = re.sub(r"^\S+ cargo test --release", "cargo test", command)
        listed = subprocess.run(f"{named} --list", shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        by = "rolling_update" in listed.stdout or fail(f"{command} names no test: {listed.stderr}")
    return by is not None


KUBECTL = """#!/usr/bin/env bash
# Stands for kubectl with a cluster in which the base was applied.
set -euo pipefail
deployment() {{ {kubectl} kustomize {root}/manifests/base | awk 'BEGIN {{ RS = "---\\n" }} /\\nkind: Deployment\\n/'; }}
case "$*" in
    kustomize\\ *) exec {kubectl} "$@" ;;
    apply\\ -k\\ *) {kubectl} kustomize "$3" | grep -q '^kind: Deployment$' ;;
    "apply view-last-applied deployment/seaworthy -o yaml") deployment ;;
    "apply set-last-applied -f -") [ "$(diff <(deployment) - | grep '^[<>]')" = '<   replicas: 3' ] ;;
    "port-forward deployment/seaworthy 9090") deployment | grep -q 'containerPort: 9090$' ;;
    *) echo "no kubectl $*" >&2 && exit 1 ;;
esac
"""


def read_all(scratch):
    reader = Reader(scratch)
    try:
        # First the template, which other pages' commands are typed in a copy of.
        reader.read(TEMPLATE)
        for step in re.findall(r"^      - run: (.*)$", (ROOT / "examples/template" / CI).read_text(encoding="utf-8"), re.M):
            reader.type(CI, step)
        for page in PAGES:
            reader.read(page)
    finally:
        # Where something has failed, it still runs.
        if reader.served is not None:
            reader.served.kill()
    print(f"ok: {reader.tried} commands do what README, guide and template say")


def main():
    if len(sys.argv) > 1:
        directory = pathlib.Path(sys.argv[1]).resolve()
        directory.mkdir(parents=True)
        read_all(directory)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            read_all(pathlib.Path(scratch))


if __name__ == "__main__":
    main()
