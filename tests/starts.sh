#!/usr/bin/env bash
# Whether a static binary starts, answers its own probe and drains, also one of another architecture:
#   tests/starts.sh target/x86_64-unknown-linux-musl/release/seaworthy
#   tests/starts.sh target/aarch64-unknown-linux-musl/release/seaworthy qemu-aarch64
# A binary whose relocations its libc does not apply does not get as far as that.
set -euo pipefail

binary=$1
runner=${2:-}
scratch=$(mktemp -d)
server=

clean_up() {
    trap - EXIT
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
    echo "FAILED: $*" >&2
    cat "$scratch/log" >&2
    exit 1
}

export HOST=127.0.0.1 DRAIN_DELAY=0 LOG_FORMAT=json
# shellcheck disable=SC2086 # no runner, no word
PORT=0 $runner "$binary" >"$scratch/log" &
server=$!
for _ in $(seq 100); do
    address=$(sed -n 's/.*"msg":"listening".*"addr":"\([^"]*\)".*/\1/p' "$scratch/log")
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "$address" ] || fail "$binary does not listen"
# shellcheck disable=SC2086
PORT=${address##*:} $runner "$binary" probe ready || fail "$binary is not ready"
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
[ "$code" = 0 ] || fail "$binary ended with $code"
tail -1 "$scratch/log" | grep -q '"msg":"drained".*"ending":"clean"' || fail "no clean drain report"
echo "ok: $binary starts, is ready and drains"
