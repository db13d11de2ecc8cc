#!/usr/bin/env bash
# The static binary and name servers that answer for one family of addresses only: `sudo tests/resolve.sh [BINARY]`.
#
# Needs python3, ip (iproute2), unshare (util-linux) and Rust's musl target; root, for a network and a resolv.conf of its
# own: nothing of it leaves the machine. BINARY is a static binary that is there instead of one that is built. Takes half
# a minute after that.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    cd "$(dirname "$0")/.."
    target="$(uname -m)-unknown-linux-musl"
    binary=${1:-${CARGO_TARGET_DIR:-target}/$target/release/seaworthy}
    [ -n "${1:-}" ] || cargo build --release --locked --target "$target"
    exec unshare --mount --net "$0" --inside "$(realpath "$binary")"
fi

binary=$2
scratch=$(mktemp -d)
server=
names=

clean_up() {
    trap - EXIT
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$names" ] || kill "$names" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
    echo "FAILED: $*" >&2
    cat "$scratch/log" >&2 || true
    exit 1
}

said() { echo "ok: $*"; }

# Answers for names such as `a-servfail.test` and accepts at port 5432. The name says which question has an answer, `a`
# or `aaaa` or `none`, and how every other is answered.
start_name_server() {
    python3 - "$scratch/up" <<'PYTHON' &
import pathlib, select, socket, struct, sys

CODES = {"empty": 0, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5}
ADDRESSES = {1: ("a", socket.inet_aton("127.0.0.1")), 28: ("aaaa", socket.inet_pton(socket.AF_INET6, "::1"))}


def answer(query):
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12 : end + 5]
    first = question[1 : question[0] + 1].decode()
    (kind,) = struct.unpack(">H", question[-4:-2])
    answered, otherwise = first.split("-")
    family, address = ADDRESSES[kind]
    if family == answered:
        record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(address)) + address
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + record
    if otherwise == "silent":
        return None
    return query[:2] + struct.pack(">HHHHH", 0x8180 | CODES[otherwise], 1, 0, 0, 0) + question


names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
database = socket.create_server(("", 5432), family=socket.AF_INET6, dualstack_ipv6=True)
pathlib.Path(sys.argv[1]).touch()
while True:
    for ready in select.select([names, database], [], [])[0]:
        if ready is database:
            database.accept()[0].close()
            continue
        query, client = names.recvfrom(512)
        reply = answer(query)
        if reply:
            names.sendto(reply, client)
PYTHON
    names=$!
    for _ in $(seq 100); do
        [ ! -e "$scratch/up" ] || return 0
        sleep 0.1
    done
    fail "the name server does not start"
}

# Starts the service with its database under a name, and leaves it running as $server.
serve() { # NAME
    env -i HOST=127.0.0.1 PORT=8080 DRAIN_DELAY=0 "DATABASE_URL=postgres://app:hunter%402@$1/db" "$binary" \
        >"$scratch/log" 2>&1 &
    server=$!
}

ready() { env -i HOST=127.0.0.1 PORT=8080 "$binary" probe ready >/dev/null 2>&1; }

stop() {
    kill "$server"
    wait "$server" || fail "the service ended with $?"
    server=
}

expect_ready() { # NAME
    local until=$((SECONDS + 4)) # Before the check is run a second time.
    serve "$1"
    until ready; do
        [ $SECONDS -lt $until ] || fail "not ready with a database called $1"
        sleep 0.05
    done
    stop
    said "ready with a database called $1"
}

expect_unready() { # NAME
    serve "$1"
    for _ in $(seq 80); do
        ! ready || fail "ready with a database called $1"
        sleep 0.1
    done
    grep -q '"check failed"' "$scratch/log" || fail "the log does not say that the check failed"
    ! grep -q hunter "$scratch/log" || fail "the password is in the log"
    stop
    said "not ready with a database called $1"
}

ip link set lo up
echo "nameserver 127.0.0.1" >"$scratch/resolv.conf"
mount --bind "$scratch/resolv.conf" "$(readlink -f /etc/resolv.conf)"
start_name_server

for how in empty nxdomain servfail notimp refused silent; do
    expect_ready "a-$how.test"
done
expect_unready none-nxdomain.test
expect_unready none-servfail.test

# A pod without IPv4 but for its loopback, and the other way round.
if ip -6 address add 2001:db8:1::1/64 dev lo && ip -6 route add default dev lo; then
    for how in empty nxdomain servfail; do
        expect_ready "aaaa-$how.test"
    done
else
    echo "note: no IPv6 here: what a pod with nothing else finds was not tested"
fi
