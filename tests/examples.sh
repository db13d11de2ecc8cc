#!/usr/bin/env bash
# The examples, each of which is a package of its own: that they hold, and that they are short enough to read.
#   tests/examples.sh            needs Rust and, for SQLite, a C compiler
#   tests/examples.sh images     only builds their images and starts them: needs podman, curl, jq, musl-gcc (Debian's
#                                musl-tools), Rust's musl target, and root; with names behind it, of these alone.
#                                TEMPLATE=path is a copy of the template that is there and built, as tests/commands.py
#                                leaves one
set -euo pipefail
cd "$(dirname "$0")/.."

# One for all of them, so that what they share is compiled once.
export CARGO_TARGET_DIR=$PWD/target/examples
export CARGO_PROFILE_DEV_DEBUG=line-tables-only
WITH_IMAGES=(orders files template proxy)
scratch=$(mktemp -d)
container=

clean_up() {
    trap - EXIT
    [ -z "$container" ] || podman rm --force --time 5 --volumes "$container" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
    echo "FAILED: $*" >&2
    [ -z "$container" ] || podman logs "$container" >&2
    exit 1
}

# The lines of main.rs apart from its unit tests.
lines() {
    grep -vc '^#\[cfg(test)\]$\|^mod tests;$' "examples/$1/src/main.rs"
}

check() { # EXAMPLE MOST_LINES
    local manifest=examples/$1/Cargo.toml began=$SECONDS count
    count=$(lines "$1")
    [ "$count" -le "$2" ] || fail "$1 has $count lines, and should have $2 at most"
    cargo fmt --check --manifest-path "$manifest"
    timeout 1200 cargo clippy --quiet --locked --all-targets --manifest-path "$manifest" -- -D warnings
    timeout 1200 cargo test --quiet --locked --manifest-path "$manifest"
    echo "ok: $1 holds, in $count lines, after $((SECONDS - began)) s"
}

# The one that is part of seaworthy's own package, which compiles no C.
check_hello() {
    local url pid
    if cargo tree --locked --all-features --edges all --prefix none | grep '^cc v'; then
        fail "seaworthy's own tests and examples compile C"
    fi
    CARGO_TARGET_DIR='' timeout 1200 cargo build --quiet --locked --example hello --target-dir target
    HOST=127.0.0.1 PORT=0 LOG_FORMAT=json DRAIN_DELAY=0 target/debug/examples/hello >"$scratch/hello.log" &
    pid=$!
    local until=$((SECONDS + 20))
    until url=$(grep -o '"addr":"[^"]*' "$scratch/hello.log") && grep -q '"started"' "$scratch/hello.log"; do
        [ "$SECONDS" -lt "$until" ] || { kill "$pid"; fail "hello does not start"; }
        sleep 0.05
    done
    exec 3<>"/dev/tcp/127.0.0.1/${url##*:}"
    printf 'GET /users/ada HTTP/1.1\r\nHost: hello\r\nConnection: close\r\n\r\n' >&3
    grep -q 'Hello, ada!' <&3 || { kill "$pid"; fail "hello does not greet"; }
    exec 3<&-
    kill "$pid"
    wait "$pid" || fail "hello does not end well"
    echo "ok: hello greets and ends well, without a C compiler"
}

# The last stage of the Containerfile is what runs. The first one only compiles, which is done here.
image() { # EXAMPLE SETTING...
    local example=$1 folder=${FOLDER:-examples/$1} target binary=$scratch/$1/$1 began=$SECONDS
    shift
    target="$(uname -m)-unknown-linux-musl"
    mkdir -p "$scratch/$example/data"
    # From within, where Cargo finds how static binaries are linked.
    (cd "$folder" && TARGET_CC=musl-gcc timeout 1200 cargo build --quiet --release --locked --target "$target")
    cp "$CARGO_TARGET_DIR/$target/release/$example" "$binary"
    podman build --quiet --format docker --isolation chroot --build-context "build=$scratch/$example" \
        --file "$folder/Containerfile" --tag "localhost/$example:examples" "${CONTEXT:-.}" >"$scratch/log" 2>&1 ||
        fail "$(cat "$scratch/log")"
    container=$(podman run --detach --read-only --no-healthcheck "${@/#/--env=}" "localhost/$example:examples")
    local until=$((SECONDS + 20))
    until podman exec "$container" "/$example" probe ready >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "$example does not become ready"
        sleep 0.1
    done
    local networks='{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'
    "try_$example" "http://$(podman inspect "$container" --format "$networks" | cut -d' ' -f1):8080"
    podman stop --time 20 "$container" >/dev/null
    [ "$(podman inspect "$container" --format '{{.State.ExitCode}}')" = 0 ] || fail "$example does not end well"
    podman rm --volumes "$container" >/dev/null
    container=
    echo "ok: $example is an image whose binary has $(wc -c <"$binary") bytes, starts and ends well, after $((SECONDS - began)) s"
}

try_orders() { # URL
    local ask=(curl -sS --fail --max-time 20 -H 'Authorization: Bearer hunter2')
    "${ask[@]}" -H 'Content-Type: application/json' --data '{"item": "tea", "quantity": 2}' "$1/orders" >/dev/null
    [ "$("${ask[@]}" "$1/orders" | jq -c 'map([.item, .quantity, .state])')" = '[["tea",2,"open"]]' ] ||
        fail "orders does not keep what is ordered"
}

# There is nobody at these addresses, and it says so within its deadline.
try_proxy() { # URL
    [ "$(curl -sS --max-time 20 "$1/products/7" | jq -c '[.status, .instance]')" = '[502,"/products/7"]' ] ||
        fail "proxy does not tell of upstreams that are not there"
}

image_of_orders() { image orders API_TOKEN=hunter2; }

image_of_files() { image files; }

image_of_proxy() { image proxy PRODUCTS_URL=http://127.0.0.1:9 STOCK_URL=http://127.0.0.1:9; }

# The template as its user has it: a copy somewhere else, with the crate from crates.io, for which this checkout stands.
image_of_template() {
    local copy=${TEMPLATE:-$scratch/copy}
    if [ -z "${TEMPLATE:-}" ]; then
        cp -r examples/template "$copy"
        printf '\n[patch.crates-io]\nseaworthy = { path = "%s" }\n' "$PWD" >>"$copy/.cargo/config.toml"
        (cd "$copy" && cargo generate-lockfile --quiet)
    fi
    FOLDER=$copy CONTEXT=$copy image hello GREETING=Ahoy
}

try_hello() { # URL
    [ "$(curl -sS --fail --max-time 20 "$1/users/ada")" = 'Ahoy, ada!' ] || fail "the template's image does not greet"
}

# The volume is the service's to write to.
try_files() { # URL
    curl -sS --fail --max-time 20 --upload-file tests/examples.sh "$1/api/files/script"
    curl -sS --fail --max-time 20 "$1/files/script" | cmp - tests/examples.sh || fail "files does not keep what is uploaded"
}

if [ "${1:-}" != images ]; then
    check_hello
    check orders 200
    check files 90
    check proxy 75
else
    shift
    for example in "${@:-${WITH_IMAGES[@]}}"; do
        "image_of_$example"
    done
fi
