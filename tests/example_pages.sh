#!/bin/sh
# Uses the pages of examples/files and examples/events.rs in headless Chromium, as their users would.
# Needs python3, and a browser that speaks the DevTools protocol: BROWSER names another than `chromium`.
set -eu
cd "$(dirname "$0")/.."

# Where tests/examples.sh has compiled it.
CARGO_TARGET_DIR=$PWD/target/examples CARGO_PROFILE_DEV_DEBUG=line-tables-only \
    cargo build --quiet --locked --manifest-path examples/files/Cargo.toml
cargo build --quiet --locked --example events --target-dir target

timeout --kill-after=10 400 python3 -B tests/example_pages.py "${BROWSER:-chromium}" \
    target/examples/debug/files target/debug/examples/events
