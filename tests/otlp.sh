#!/usr/bin/env bash
# Whether a real collector takes the spans that are exported, and one request through examples/proxy and examples/orders
# arrives in it as one tree. Needs curl, python3, Rust and a C compiler; ROTEL is a rotel-agent, which the package `rotel`
# of PyPI holds.
#   tests/otlp.sh ROTEL
set -euo pipefail
rotel=$(realpath "$1")
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=$PWD/target/examples
. tests/helpers.sh

for example in orders proxy; do
    cargo build --quiet --locked --manifest-path "examples/$example/Cargo.toml"
done

http=$(free_port) grpc=$(free_port)
"$rotel" start --otlp-http-endpoint "127.0.0.1:$http" --otlp-grpc-endpoint "127.0.0.1:$grpc" --exporter blackhole \
    --debug-log traces --debug-log-verbosity detailed >"$work/rotel.log" 2>&1 &
pids+=($!)
# Any answer will do.
until_ok curl -sS "http://127.0.0.1:$http/"

export HOST=127.0.0.1 DRAIN_DELAY=0 LOG_FORMAT=json
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$http OTEL_RESOURCE_ATTRIBUTES=k8s.pod.name=shop%2D1
orders=$(free_port) proxy=$(free_port)
API_TOKEN=hunter2 DATABASE=$work/orders.db PORT=$orders "$CARGO_TARGET_DIR/debug/orders" >"$work/orders.log" &
orders_pid=$!
pids+=($orders_pid)
PORT=$proxy PRODUCTS_URL=http://127.0.0.1:$orders/orders STOCK_URL=http://127.0.0.1:$orders/orders \
    "$CARGO_TARGET_DIR/debug/proxy" >"$work/proxy.log" &
proxy_pid=$!
pids+=($proxy_pid)
until_ok curl -fsS "http://127.0.0.1:$orders/readyz"
until_ok curl -fsS "http://127.0.0.1:$proxy/readyz"

# A client's own trace, of which this is one part; and one that begins at the proxy, which has no token for the orders.
curl -fsS "http://127.0.0.1:$orders/orders" -H 'Authorization: Bearer hunter2' \
    -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' -H 'tracestate: shop=1' >/dev/null
[ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$proxy/products/7")" = 502 ]

# The drain sends what has not been sent.
kill "$proxy_pid" && wait "$proxy_pid"
kill "$orders_pid" && wait "$orders_pid"

cat >"$work/tree.py" <<'PYTHON'
import re, sys

spans, service, pod, span = [], None, None, None
for line in open(sys.argv[1]):
    if line.startswith("Resource attributes"):
        service, pod, span = None, None, None
    elif found := re.match(r"\s+-> service\.name: Str\((.*)\)", line):
        service = found[1]
    elif found := re.match(r"\s+-> k8s\.pod\.name: Str\((.*)\)", line):
        pod = found[1]
    elif line.startswith("Span #"):
        span = {"service": service, "pod": pod}
        spans.append(span)
    elif span is not None and (found := re.match(r"\s+(Trace ID|Parent ID|ID|Name|Kind|TraceState|Status code)\s*: (.*)", line)):
        span[found[1]] = found[2].strip()

def expect(truth, what):
    if not truth:
        sys.exit("%s:\n%s" % (what, "\n".join(map(str, spans))))

expect(all(span["pod"] == "shop-1" for span in spans), "every span knows its pod")
own = [span for span in spans if span["Trace ID"] == "0af7651916cd43dd8448eb211c80319c"]
parts = [span for span in own if span["Kind"] != "SPAN_KIND_SERVER"]
answer, = [span for span in own if span not in parts]
expect(answer["Parent ID"] == "b7ad6b7169203331" and answer["TraceState"] == "shop=1", "the client's trace goes on")
expect(parts and all(span["Parent ID"] == answer["ID"] for span in parts), "with what the answer took")

tree = [span for span in spans if span not in own]
expect(len({span["Trace ID"] for span in tree}) == 1, "one request is one trace")
root, = [span for span in tree if not span["Parent ID"]]
expect((root["service"], root["Name"], root["Kind"]) == ("proxy", "GET /products/{id}", "SPAN_KIND_SERVER"), "its root")
expect(root["Status code"] == "STATUS_CODE_ERROR", "a 502 is an error")
by_id = {span["ID"]: span for span in tree}
calls = [span for span in tree if span["Kind"] == "SPAN_KIND_CLIENT"]
expect(len(calls) == 6 and all(call["Parent ID"] == root["ID"] for call in calls), "three calls to either upstream")
answers = [span for span in tree if span["service"] == "orders"]
expect(sorted(span["Parent ID"] for span in answers) == sorted(call["ID"] for call in calls), "each call has its answer")
expect(all(span["Kind"] == "SPAN_KIND_SERVER" for span in answers), "which is a server's")
expect(len(tree) == 13, "and there is nothing else")
PYTHON
until_ok python3 "$work/tree.py" "$work/rotel.log" || { python3 "$work/tree.py" "$work/rotel.log"; exit 1; }
echo "a collector has one request as one tree of 13 spans"
