#!/bin/sh
# Prints what the image weighs, and fails past the limit:
#   tests/image-size.sh            builds the static binary with the default features, and one without `tiny_http`
#   tests/image-size.sh BINARY     takes one with the default features that is there
# The image is FROM scratch with one file in it, so the file's size is the image's.
set -eu

check() { # NAME BINARY LIMIT
    size=$(wc -c < "$2")
    echo "$1: $size bytes of $3"
    if [ "$size" -gt "$3" ]; then
        echo "$1 has outgrown its limit by $((size - $3)) bytes" >&2
        exit 1
    fi
}

# Bodies that flow, up and down, take 30 KB of it, in a service that has none too; several reactors take 25 KB.
full_limit=1677721 # 1.6 MiB
lean_limit=1415577 # 1.35 MiB

if [ -n "${1:-}" ]; then
    check "the image" "$1" $full_limit
    exit
fi

cd "$(dirname "$0")/.."
target="$(uname -m)-unknown-linux-musl"
built=${CARGO_TARGET_DIR:-target}
# Side by side: the last third of each is the work of one thread.
cargo build --release --locked --target "$target" --no-default-features --target-dir "$built/lean" &
cargo build --release --locked --target "$target"
wait $!
check "the image" "$built/$target/release/seaworthy" $full_limit
check "the image without tiny_http" "$built/lean/$target/release/seaworthy" $lean_limit
