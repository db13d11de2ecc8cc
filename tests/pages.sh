#!/bin/sh
# Looks at the admin port's pages in headless Chromium: light, dark and on a phone; fails where one is at fault:
#   tests/pages.sh                 builds the service and leaves no pictures
#   tests/pages.sh DIRECTORY       leaves the pictures there
# Needs python3, and a browser that speaks the DevTools protocol: BROWSER names another than `chromium`.
set -eu
cd "$(dirname "$0")/.."

cargo build --quiet
work=$(mktemp -d)
service=
trap '[ -z "$service" ] || kill "$service"; rm -rf "$work"' EXIT
pictures=${1:-$work}
mkdir -p "$pictures"

HOST=127.0.0.1 PORT=0 ADMIN_PORT=0 ADMIN_TOKEN=secret LOG_FORMAT=json DRAIN_DELAY=0 DEMO_ENDPOINTS=true \
    "${CARGO_TARGET_DIR:-target}/debug/seaworthy" >"$work/log" &
service=$!

python3 -B tests/pages.py "${BROWSER:-chromium}" "$work/log" "$pictures"
