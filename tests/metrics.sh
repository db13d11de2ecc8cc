#!/usr/bin/env bash
# Whether Prometheus takes what /metrics says: `promtool check metrics` on a live scrape, and a real Prometheus that scrapes
# both formats, and answers what the dashboard and the alert rules of manifests/components/monitoring ask. Needs curl,
# promtool and prometheus (Debian's package `prometheus`), python3 with yaml (PYTHON names another interpreter).
#   tests/metrics.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")/.."
. tests/helpers.sh

# With limits as in a pod, where cgroups of version 1 can be made: there is nothing to be told of them otherwise.
limit() { # CONTROLLER FILE VALUE
    local group=/sys/fs/cgroup/$1/seaworthy-metrics-$$
    mkdir "$group" 2>/dev/null || return
    echo "$3" >"$group/$2"
    echo "$BASHPID" >"$group/cgroup.procs"
}
for controller in cpu memory; do groups+=("/sys/fs/cgroup/$controller/seaworthy-metrics-$$"); done

port=$(free_port)
(
    limit cpu cpu.cfs_quota_us 50000 && limit memory memory.limit_in_bytes $((256 << 20)) ||
        echo "skipped: no cgroup of version 1 can be made here, so that nothing tells of limits" >&2
    HOST=127.0.0.1 PORT=$port DEMO_ENDPOINTS=true DRAIN_DELAY=0 exec "$binary"
) >"$work/service.log" &
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
    static_configs: [{ targets: ["127.0.0.1:$port"], labels: { namespace: shop, pod: shop-1 } }]
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

# Under load, as a dashboard is looked at: a shed request, a failed one and many good ones in each scrape.
load() {
    while :; do
        for path in / /nowhere /status/500 /delay/0.01; do curl -s -o "$work/answer" "http://127.0.0.1:$port$path" || return; done
    done
}
load &
pids+=($!)
cat >"$work/ask.py" <<'PYTHON'
"""Asks what the dashboard and the rules ask, until each has an answer or, for a minute, has none."""
import json, re, sys, time, urllib.parse, urllib.request
import yaml

prometheus, has_limits = sys.argv[1], sys.argv[2] == "limits"

# Only a service that has background services tells of them.
OWN_ONLY = {"seaworthy_background_restarts_total"}
panels = json.load(open("manifests/components/monitoring/dashboard.json"))["panels"]
rules = yaml.safe_load(open("manifests/components/monitoring/prometheusrule.yaml"))["spec"]["groups"]

def ask(query):
    url = f"http://{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    return json.load(urllib.request.urlopen(url))["data"]["result"]

def until_answered(query):
    for _ in range(60):
        if ask(query):
            return True
        time.sleep(1)
    return False

missing = []
for panel in panels:
    for target in panel["targets"]:
        query = target["expr"]
        # What is drawn only where something fails: what it is drawn of must be there.
        query = query.removesuffix(" == 0").replace("$__rate_interval", "10s")
        query = query.replace("$namespace", "shop").replace("$pod", ".+")
        needs_limits = "cgroup_" in query and "usage" not in query
        if (has_limits or not needs_limits) and not until_answered(query):
            missing.append(f"{panel['title']}: {query}")
for group in rules:
    for rule in group["rules"]:
        for name in set(re.findall(r"\b(?:seaworthy|cgroup|http|process)_\w+|\bhealthcheck\b", rule["expr"])):
            if name.startswith("cgroup_") and not has_limits or name in OWN_ONLY:
                continue
            if not until_answered(name):
                missing.append(f"{rule['alert']}: {name}")
sys.exit("\n".join(["nothing answers:", *missing]) if missing else 0)
PYTHON
limits=none
[ -d "${groups[0]}" ] && [ -d "${groups[1]}" ] && limits=limits
"${PYTHON:-python3}" "$work/ask.py" "127.0.0.1:$prometheus_port" $limits
echo "it answers what the dashboard and the rules ask"
