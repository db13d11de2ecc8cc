#!/usr/bin/env bash
# Whether Prometheus takes what /metrics says: `promtool check metrics` on a live scrape, and a real Prometheus that scrapes
# both formats. Needs curl, promtool and prometheus (Debian's package `prometheus`).
#   tests/metrics.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
work=$(mktemp -d)
pids=()
end() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap end EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

until_ok() { # COMMAND...
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "in vain: $*" >&2
    return 1
}

port=$(free_port)
HOST=127.0.0.1 PORT=$port DEMO_ENDPOINTS=true DRAIN_DELAY=0 "$binary" >"$work/service.log" &
pids+=($!)
until_ok curl -fsS "http://127.0.0.1:$port/readyz"
for _ in $(seq 20); do curl -fsS "http://127.0.0.1:$port/" >/dev/null; done
for _ in $(seq 5); do curl -sS "http://127.0.0.1:$port/status/503" >/dev/null; done
curl -fsS "http://127.0.0.1:$port/metrics" | promtool check metrics
curl -fsS -H 'Accept: application/openmetrics-text' "http://127.0.0.1:$port/metrics" | tail -1 | grep -qx '# EOF'

# A Prometheus asks for OpenMetrics. Behind this one stands what asks for nothing, and so gets the classic text.
classic_port=$(free_port)
python3 - "$port" "$classic_port" <<'PYTHON' >/dev/null 2>&1 &
import http.server, sys, urllib.request

class Classic(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics") as answer:
            body, kind = answer.read(), answer.headers["Content-Type"]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Classic).serve_forever()
PYTHON
pids+=($!)
prometheus_port=$(free_port)
cat >"$work/prometheus.yml" <<YAML
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: openmetrics
    static_configs: [{ targets: ["127.0.0.1:$port"] }]
  - job_name: classic
    static_configs: [{ targets: ["127.0.0.1:$classic_port"] }]
YAML
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$prometheus_port" >"$work/prometheus.log" 2>&1 &
pids+=($!)

query() { # EXPRESSION
    curl -fsS --get "http://127.0.0.1:$prometheus_port/api/v1/query" --data-urlencode "query=$1" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["result"][0]["value"][1])'
}
answers() { [ "$(query "$1")" = "$2" ]; }
for job in openmetrics classic; do
    until_ok answers "up{job=\"$job\"}" 1
    until_ok answers "sum(http_server_request_duration_seconds_count{job=\"$job\",http_route=\"/\"})" 20
    until_ok answers "sum(http_server_request_duration_seconds_count{job=\"$job\",error_type=\"503\"})" 5
    until_ok answers "sum(http_server_response_body_size_bytes_sum{job=\"$job\",http_route=\"/\"})" 440
done
echo "a Prometheus has scraped what was sent, in both formats"
