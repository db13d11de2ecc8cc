#!/usr/bin/env bash
# The alert rules of manifests/components/monitoring: Prometheus takes them, and each fires where it should and nowhere else.
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
