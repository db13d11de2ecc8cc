#!/usr/bin/env python3
"""Holds the rendered manifests to what an API server would say of them.

    pip install kubernetes-validate && tests/manifests.py

Needs kubectl (for its kustomize; no cluster). Every document must fit the strict schema of each Kubernetes below,
every pod the whole restricted Pod Security Standard, and every reference something that is there. Then every check
is shown a document that it must refuse, since one that refuses nothing would look the same.
"""

import copy
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

MANIFESTS = pathlib.Path(__file__).resolve().parent.parent / "manifests"
KUBERNETES = ["1.32", "1.35", kubernetes_validate.latest_version()]

# Custom resources are in no Kubernetes schema: the fields of the operator's that are used here, and no others.
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}


def exactly(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


POD_MONITOR = exactly(
    apiVersion={"const": "monitoring.coreos.com/v1"},
    kind={"const": "PodMonitor"},
    metadata=exactly(name={"type": "string"}, labels=STRINGS),
    spec=exactly(
        selector=exactly(matchLabels=STRINGS),
        podMetricsEndpoints={
            "type": "array",
            "items": exactly(port={"type": "string"}, path={"type": "string"}, interval={"type": "string"}),
        },
    ),
)

PROMETHEUS_RULE = exactly(
    apiVersion={"const": "monitoring.coreos.com/v1"},
    kind={"const": "PrometheusRule"},
    metadata=exactly(name={"type": "string"}, labels=STRINGS),
    # What is in a rule is promtool's to say: tests/monitoring.sh.
    spec=exactly(groups={"type": "array", "items": exactly(name={"type": "string"}, rules={"type": "array"})}),
)
CUSTOM = {"PodMonitor": POD_MONITOR, "PrometheusRule": PROMETHEUS_RULE}


def render(directory):
    text = subprocess.run(["kubectl", "kustomize", directory], check=True, stdout=subprocess.PIPE).stdout
    return list(yaml.safe_load_all(text))


def render_with_components():
    """The overlay with the components that it leaves out for clusters without the operator or a collector."""
    # Beside the others, since kustomize takes only relative paths.
    with tempfile.TemporaryDirectory(dir=MANIFESTS / "overlays") as directory:
        (pathlib.Path(directory) / "kustomization.yaml").write_text(
            "resources: [../production]\ncomponents: [../../components/monitoring, ../../components/otel]\n"
        )
        return render(directory)


def one(documents, kind):
    found = [document for document in documents if document["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def pod_of(documents):
    return one(documents, "Deployment")["spec"]["template"]["spec"]


def fits_the_schema(documents):
    for document in documents:
        if document["kind"] in CUSTOM:
            jsonschema.validate(document, CUSTOM[document["kind"]])
            continue
        for version in KUBERNETES:
            kubernetes_validate.validate(document, version, strict=True)


def is_restricted(documents):
    """kubernetes.io/docs/concepts/security/pod-security-standards, baseline and restricted."""
    pod = pod_of(documents)
    assert "initContainers" not in pod, "not looked at here"
    for field in ["hostNetwork", "hostPID", "hostIPC"]:
        assert not pod.get(field), field
    volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod.get("volumes", []):
        assert set(volume) - {"name"} <= volumes, volume
    whole = pod["securityContext"]
    assert whole["runAsNonRoot"] is True and whole["runAsUser"] > 0
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    # Of what the standards look at, the pod and its containers set these and nothing else.
    assert set(whole) <= {"runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile", "fsGroup"}, whole
    for container in pod["containers"]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True
        assert set(own) == {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"}, own
        assert not any("hostPort" in port for port in container["ports"])
        assert "lifecycle" not in container, "not looked at here"
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"]:
            assert "host" not in container[probe]["httpGet"], probe


def holds_nothing_it_does_not_need(documents):
    pod = pod_of(documents)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == one(documents, "ServiceAccount")["metadata"]["name"]
    assert one(documents, "ServiceAccount")["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        for of in ["requests", "limits"]:
            assert set(container["resources"][of]) == {"cpu", "memory"}, of


def loses_no_replica_to_an_update(documents):
    spec = one(documents, "Deployment")["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    probe = pod_of(documents)["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < spec["progressDeadlineSeconds"] < 600


def is_not_edited_under_its_name(documents):
    """What a pod reads once must not change between two of them; a hashed name is a new one for each content."""
    for document in documents:
        if document["kind"] in ["ConfigMap", "Secret"]:
            hashed = re.search("-[a-z0-9]{10}$", document["metadata"]["name"])
            assert bool(hashed) == document.get("immutable", False), document["metadata"]["name"]


def refers_to_what_is_there(documents):
    template = one(documents, "Deployment")["spec"]["template"]
    labels = template["metadata"]["labels"].items()
    names = {(document["kind"], document["metadata"]["name"]) for document in documents}
    ports = set()
    for container in template["spec"]["containers"]:
        ports |= {port["name"] for port in container["ports"]}
        for source in container["envFrom"]:
            for key, kind in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")]:
                assert key not in source or (kind, source[key]["name"]) in names, source

    def look(value):
        if isinstance(value, list):
            for item in value:
                look(item)
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "matchLabels" and "kubernetes.io/metadata.name" not in item:
                    assert item.items() <= labels, f"no pod has the labels {item}"
                if key == "scaleTargetRef":
                    assert (item["kind"], item["name"]) in names, item
                if key in ["port", "targetPort"] and isinstance(item, str):
                    assert item in ports, f"no port is named {item}"
                look(item)

    look(documents)
    assert one(documents, "Service")["spec"]["selector"].items() <= labels


def refers_to_variables_before(documents):
    """The kubelet leaves $(NAME) as it stands where NAME is not a variable further up."""
    for container in pod_of(documents)["containers"]:
        known = set()
        for variable in container["env"]:
            for name in re.findall(r"\$\(([A-Z0-9_]+)\)", variable.get("value", "")):
                assert name in known, f"{variable['name']} refers to {name}, which is not before it"
            known.add(variable["name"])


def may_reach_its_collector(documents):
    """What a network policy does not name is dropped without a word."""
    variables = [variable for container in pod_of(documents)["containers"] for variable in container.get("env", [])]
    endpoints = [variable["value"] for variable in variables if variable["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT"]
    policies = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
    for endpoint in endpoints:
        _, namespace, port = re.fullmatch(r"http://([^./]+)\.([^./]+)\.svc:(\d+)", endpoint).groups()
        for policy in policies:
            rules = [
                (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], str(allowed["port"]))
                for rule in policy["egress"]
                for peer in rule.get("to", [])
                for allowed in rule["ports"]
            ]
            assert (namespace, port) in rules, f"no egress to {endpoint}"


CHECKS = [
    fits_the_schema,
    is_restricted,
    holds_nothing_it_does_not_need,
    loses_no_replica_to_an_update,
    is_not_edited_under_its_name,
    refers_to_what_is_there,
    refers_to_variables_before,
    may_reach_its_collector,
]

# What each check must refuse: a path of the rendered production overlay, and what is put there (None removes it).
POD = ["Deployment", "spec", "template", "spec"]
CONTAINER = POD + ["containers", 0]
FAULTS = [
    (fits_the_schema, POD + ["terminationGracePeriodSecond"], 30),
    (fits_the_schema, POD + ["terminationGracePeriodSeconds"], "30"),
    (fits_the_schema, CONTAINER + ["readinessProbe", "httpGet", "pth"], "/readyz"),
    (fits_the_schema, CONTAINER + ["ports", 0, "containerPort"], None),
    (fits_the_schema, ["PodMonitor", "spec", "podMetricsEndpoints", 0, "pth"], "/metrics"),
    (fits_the_schema, ["PrometheusRule", "spec", "groups", 0, "rule"], []),
    (is_restricted, POD + ["hostNetwork"], True),
    (is_restricted, POD + ["volumes"], [{"name": "node", "hostPath": {"path": "/"}}]),
    (is_restricted, POD + ["securityContext", "runAsNonRoot"], None),
    (is_restricted, POD + ["securityContext", "runAsUser"], 0),
    (is_restricted, POD + ["securityContext", "seccompProfile"], None),
    (is_restricted, POD + ["securityContext", "sysctls"], [{"name": "kernel.msgmax", "value": "1"}]),
    (is_restricted, CONTAINER + ["securityContext", "allowPrivilegeEscalation"], None),
    (is_restricted, CONTAINER + ["securityContext", "capabilities", "drop"], ["NET_RAW"]),
    (is_restricted, CONTAINER + ["securityContext", "capabilities", "add"], ["SYS_ADMIN"]),
    (is_restricted, CONTAINER + ["securityContext", "readOnlyRootFilesystem"], None),
    (is_restricted, CONTAINER + ["securityContext", "privileged"], True),
    (is_restricted, CONTAINER + ["ports", 0, "hostPort"], 80),
    (is_restricted, CONTAINER + ["livenessProbe", "httpGet", "host"], "localhost"),
    (holds_nothing_it_does_not_need, POD + ["enableServiceLinks"], None),
    (holds_nothing_it_does_not_need, CONTAINER + ["resources", "limits", "memory"], None),
    (loses_no_replica_to_an_update, ["Deployment", "spec", "strategy"], None),
    (loses_no_replica_to_an_update, ["Deployment", "spec", "progressDeadlineSeconds"], 60),
    (is_not_edited_under_its_name, ["Secret", "immutable"], None),
    (refers_to_what_is_there, CONTAINER + ["ports", 0, "name"], "web"),
    (refers_to_what_is_there, CONTAINER + ["envFrom", 0, "configMapRef", "name"], "other"),
    (refers_to_what_is_there, ["PodDisruptionBudget", "spec", "selector", "matchLabels", "tier"], "web"),
    (refers_to_what_is_there, ["HorizontalPodAutoscaler", "spec", "scaleTargetRef", "name"], "other"),
    (refers_to_variables_before, CONTAINER + ["env", 0], {"name": "FIRST", "value": "$(K8S_POD_NAME)"}),
    (may_reach_its_collector, ["NetworkPolicy", "spec", "egress", -1, "ports", 0, "port"], 4317),
]


def with_fault(documents, path, value):
    documents = copy.deepcopy(documents)
    place = one(documents, path[0])
    for key in path[1:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return documents


def refused(check, documents):
    try:
        check(documents)
    except (AssertionError, KeyError, jsonschema.ValidationError) as reason:
        return reason
    return None


def main():
    production = render_with_components()
    rendered = {
        "base": render(MANIFESTS / "base"),
        "overlays/production": render(MANIFESTS / "overlays" / "production"),
        "overlays/production with components": production,
    }
    failures = []
    for name, documents in rendered.items():
        for check in CHECKS:
            reason = refused(check, documents)
            if reason is not None:
                failures.append(f"{name}: {check.__name__}: {type(reason).__name__}: {reason}")
    if "replicas" in one(production, "Deployment")["spec"]:
        failures.append("overlays/production: replicas would fight the autoscaler")
    for check, path, value in FAULTS:
        if refused(check, with_fault(production, path, value)) is None:
            failures.append(f"{check.__name__} does not see {path} = {value}")
    for failure in failures:
        print(failure, file=sys.stderr)
    versions = ", ".join(KUBERNETES)
    print(f"manifests: {len(rendered)} renderings against Kubernetes {versions}, {len(FAULTS)} faults seen")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
