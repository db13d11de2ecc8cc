#!/bin/sh
# Prints what the image weighs and fails past the limit:
#   tests/image-size.sh            builds the static binary first
#   tests/image-size.sh BINARY     takes one that is there
# The image is FROM scratch with one file in it, so the file's size is the image's.
set -eu
limit=1310720 # 1.25 MiB

binary=${1:-}
if [ -z "$binary" ]; then
    cd "$(dirname "$0")/.."
    target="$(uname -m)-unknown-linux-musl"
    cargo build --release --locked --target "$target"
    binary="${CARGO_TARGET_DIR:-target}/$target/release/seaworthy"
fi

size=$(wc -c < "$binary")
echo "image: $size bytes of $limit"
if [ "$size" -gt "$limit" ]; then
    echo "the image has outgrown its limit by $((size - limit)) bytes" >&2
    exit 1
fi
