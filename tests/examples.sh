#!/usr/bin/env bash
# The examples, each of which is a package of its own: that they hold, and that they are short enough to read.
#   tests/examples.sh            needs nothing but Rust
#   tests/examples.sh images     builds their images too, and starts them: needs podman, curl, Rust's musl target, and root
set -euo pipefail
cd "$(dirname "$0")/.."

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

# The lines of main.rs apart from imports and tests.
lines() {
    awk '/^use /{ inside = 1 } !inside && !/^(#\[cfg\(test\)\]|mod tests;)$/ { count++ } inside && /;$/{ inside = 0 }
         END { print count }' "examples/$1/src/main.rs"
}

check() { # EXAMPLE MOST_LINES
    local manifest=examples/$1/Cargo.toml count
    count=$(lines "$1")
    [ "$count" -le "$2" ] || fail "$1 has $count lines, and should have $2 at most"
    cargo fmt --check --manifest-path "$manifest"
    cargo clippy --quiet --locked --all-targets --manifest-path "$manifest" -- -D warnings
    cargo test --quiet --locked --manifest-path "$manifest"
    echo "ok: $1 holds, in $count lines"
}

# The last stage of the Containerfile is what runs. The first one only compiles, which is done here.
image() { # EXAMPLE
    local target binary=$scratch/$1/$1
    target="$(uname -m)-unknown-linux-musl"
    mkdir -p "$scratch/$1/data"
    # From within, where Cargo finds how static binaries are linked.
    (cd "examples/$1" && cargo build --quiet --release --locked --target "$target")
    cp "examples/$1/target/$target/release/$1" "$binary"
    podman build --quiet --format docker --isolation chroot --build-context "build=$scratch/$1" \
        --file "examples/$1/Containerfile" --tag "localhost/$1:examples" . >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
    container=$(podman run --detach --read-only --no-healthcheck "localhost/$1:examples")
    local until=$((SECONDS + 20))
    until podman exec "$container" "/$1" probe ready >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "$1 does not become ready"
        sleep 0.1
    done
    local networks='{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'
    "try_$1" "http://$(podman inspect "$container" --format "$networks" | cut -d' ' -f1):8080"
    podman stop --time 20 "$container" >/dev/null
    [ "$(podman inspect "$container" --format '{{.State.ExitCode}}')" = 0 ] || fail "$1 does not end well"
    podman rm --volumes "$container" >/dev/null
    container=
    echo "ok: $1 is an image whose binary has $(wc -c <"$binary") bytes, and starts and ends well"
}

# The volume is the service's to write to.
try_files() { # URL
    curl -sS --fail --max-time 20 --upload-file tests/examples.sh "$1/api/files/script"
    curl -sS --fail --max-time 20 "$1/files/script" | cmp - tests/examples.sh || fail "files does not keep what is uploaded"
}

check files 90
if [ "${1:-}" = images ]; then
    image files
fi
