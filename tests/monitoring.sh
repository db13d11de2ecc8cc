#!/usr/bin/env bash
# The alert rules of manifests/components/monitoring: Prometheus takes them, and each fires where it should and nowhere else.
# The dashboard: panels have ids of their own and do not overlap, and Prometheus can parse every query.
# Needs promtool (Debian's package prometheus) and python3 with yaml; PYTHON names another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" - "$work/rules.yaml" <<'PYTHON'
import sys
import yaml

rules = yaml.safe_load(open("manifests/components/monitoring/prometheusrule.yaml"))["spec"]
tests = yaml.safe_load(open("tests/monitoring/alerts.yaml"))["tests"]
for rule in rules["groups"][0]["rules"]:
    cases = [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    expected = {bool(case["exp_alerts"]) for case in cases}
    assert expected == {True, False}, f"{rule['alert']} is not tested both firing and quiet"
yaml.safe_dump(rules, open(sys.argv[1], "w"))
PYTHON
cp tests/monitoring/alerts.yaml "$work"
promtool check rules "$work/rules.yaml"
promtool test rules "$work/alerts.yaml"

"${PYTHON:-python3}" - "$work/queries.yaml" <<'PYTHON'
import itertools
import json
import sys

panels = json.load(open("manifests/components/monitoring/dashboard.json"))["panels"]
ids = [panel["id"] for panel in panels]
assert len(set(ids)) == len(ids), f"two panels have one id: {ids}"
for one, other in itertools.combinations(panels, 2):
    a, b = one["gridPos"], other["gridPos"]
    apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    assert apart, f"{one['title']} and {other['title']} overlap"
queries = [target["expr"] for panel in panels for target in panel["targets"]]
assert queries, "no panel has a query"
rules = [
    {"record": f"dashboard:query:{number}", "expr": query.replace("$__rate_interval", "5m")}
    for number, query in enumerate(queries)
]
# JSON is YAML too.
json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, open(sys.argv[1], "w"))
PYTHON
promtool check rules "$work/queries.yaml"
