#!/usr/bin/env bash
# Whether a static binary starts, answers, outlives a panic and drains, also one of another architecture:
#   tests/starts.sh target/x86_64-unknown-linux-musl/release/seaworthy
#   tests/starts.sh target/aarch64-unknown-linux-musl/release/seaworthy qemu-aarch64
# A binary whose relocations its libc does not apply does not get as far as the first; one that does not unwind, be it
# for its profile or its linker, ends at the panic.
set -euo pipefail

binary=$1
emulator=${2:-}
patience=20 # seconds for anything, which takes a tenth of one
scratch=$(mktemp -d)
log=$scratch/log
: >"$log"
server=

clean_up() {
    trap - EXIT
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
    echo "FAILED: $binary $*" >&2
    cat "$log" >&2
    exit 1
}

# Becomes the binary, with these settings and none that the caller has.
become() { # ARGUMENT...
    exec env -i HOST=127.0.0.1 PORT="${port:-0}" LOG_FORMAT=json DRAIN_DELAY=0 DEMO_ENDPOINTS=true \
        ${emulator:+"$emulator"} "$binary" "$@"
}

eventually() { # WHAT COMMAND...
    local until=$((SECONDS + patience))
    until "${@:2}"; do
        [ "$SECONDS" -lt "$until" ] || fail "$1"
        sleep 0.1
    done
}

listens() {
    port=$(sed -n 's/.*"msg":"listening".*"addr":"127\.0\.0\.1:\([0-9]*\)".*/\1/p' "$log")
    [ -n "$port" ]
}

probe() { (become probe "$1") >/dev/null 2>&1; }

get() { # PATH
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
    timeout "$patience" cat <&3
    exec 3>&-
}

ended() { ! kill -0 "$server" 2>/dev/null; }

become >"$log" &
server=$!
eventually "does not listen" listens
eventually "does not become ready" probe ready
[[ $(get /) == *"Hello from Kubernetes!"* ]] || fail "gives no greeting"
[[ $(get /panic) == "HTTP/1.1 500 "* ]] || fail "does not answer a panic with 500"
probe live || fail "is not live after a panic"

kill -TERM "$server"
eventually "does not end" ended
code=0
wait "$server" || code=$?
server=
[ "$code" = 0 ] || fail "ended with $code"
tail -1 "$log" | grep -q '"msg":"drained".*"ending":"clean"' || fail "has no clean drain report"
echo "ok: $binary starts, is ready, outlives a panic and drains"
