#!/usr/bin/env bash
# The image and the manifests in real containers: `sudo tests/e2e.sh`.
#
# Needs podman, curl, jq, wrk, kubectl (for its kustomize; no cluster) and Rust's musl target; root, for the limits.
# BINARY=path takes a static binary that is there instead of building one. Takes a little more than a minute after that.
set -euo pipefail
cd "$(dirname "$0")/.."

image=localhost/seaworthy:e2e
scratch=$(mktemp -d)
overlay=manifests/overlays/.e2e # kustomize wants its bases by relative paths
containers=()

fail() {
    echo "FAILED: $*" >&2
    for container in "${containers[@]}"; do
        echo "--- the end of $container's log" >&2
        podman logs --tail 5 "$container" >&2 || true
    done
    exit 1
}

said() { echo "ok: $*"; }

clean_up() {
    trap - EXIT
    jobs -p | xargs -r kill 2>/dev/null || true
    [ ! -e "$scratch/pods.yaml" ] || podman kube down "$scratch/pods.yaml" >/dev/null 2>&1 || true
    [ -z "${secret:-}" ] || podman secret rm "$secret" >/dev/null 2>&1 || true
    podman rm -f -t 0 --ignore seaworthy-e2e >/dev/null 2>&1 || true
    rm -rf "$scratch" "$overlay"
}
trap clean_up EXIT

address_of() {
    podman inspect "$1" --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' | cut -d' ' -f1
}

# status URL: what a kubelet would get within its second, or 000.
status() { curl -s -o /dev/null -m 1 -w '%{http_code}' "$1" || true; }

wait_for() { # STATUS URL
    for _ in $(seq 100); do
        [ "$(status "$2")" != "$1" ] || return 0
        sleep 0.1
    done
    fail "$2 does not answer $1"
}

state() { podman inspect "$1" --format "{{.State.$2}}"; }

# The last record of a container that has ended, which must be a drain without loss.
expect_clean_drain() {
    [ "$(state "$1" ExitCode)" = 0 ] || fail "$1 ended with $(state "$1" ExitCode)"
    podman logs "$1" >"$scratch/log"
    jq -es '.[-1] | .msg == "drained" and .abandoned == 0' "$scratch/log" >/dev/null || fail "$1 has no clean drain report"
}

# The most memory that the container's cgroup has ever held, in KiB; cgroup v2, else v1.
peak_memory() {
    local pid group
    pid=$(state "$1" Pid)
    group=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
    if [ -e "/sys/fs/cgroup$group/memory.peak" ]; then
        group=/sys/fs/cgroup$group/memory.peak
    else
        group=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' "/proc/$pid/cgroup")/memory.max_usage_in_bytes
    fi
    echo $(($(cat "$group") / 1024))
}

build_image() {
    local target binary
    target="$(uname -m)-unknown-linux-musl"
    binary=${BINARY:-${CARGO_TARGET_DIR:-target}/$target/release/seaworthy}
    [ -n "${BINARY:-}" ] || cargo build --release --locked --target "$target"
    sh tests/image-size.sh "$binary"
    # The last stage of the Containerfile is what runs. The first one only compiles, which is done by now.
    mkdir "$scratch/build"
    cp "$binary" "$scratch/build/seaworthy"
    podman build --quiet --format docker --isolation chroot --build-context "build=$scratch/build" -t "$image" . \
        >"$scratch/build.log" 2>&1 || fail "$(cat "$scratch/build.log")"
    [ "$(podman image inspect "$image" --format '{{.Config.User}} {{.Config.StopSignal}}')" = "65532:65532 SIGTERM" ] ||
        fail "the image's user or stop signal is not what it should be"
    said "the image is built: $(podman image inspect "$image" --format '{{.Size}}') bytes by podman's count"
}

# The Deployment of the base, less what podman does otherwise than Kubernetes: container ports would be published on
# the host, where three replicas collide; HTTP probes would run curl inside, where there is none (they are asked from
# outside below); a Secret of the same file is not found by envFrom.
play_deployment() {
    local container=/spec/template/spec/containers/0
    mkdir "$overlay"
    cat >"$overlay/kustomization.yaml" <<EOF
resources: [../../base]
configMapGenerator: [{name: seaworthy, behavior: merge, literals: [DEMO_ENDPOINTS=true]}]
images: [{name: seaworthy, newName: ${image%:*}, newTag: ${image#*:}}]
patches:
  - target: {kind: Deployment}
    patch: |-
      - {op: remove, path: $container/ports}
      - {op: remove, path: $container/startupProbe}
      - {op: remove, path: $container/readinessProbe}
      - {op: remove, path: $container/livenessProbe}
EOF
    kubectl kustomize "$overlay" >"$scratch/all.yaml"
    secret=$(grep -A1 secretRef: "$scratch/all.yaml" | sed -n 's/.*name: //p')
    printf '{"DATABASE_URL": ""}' | podman secret create "$secret" - >/dev/null
    awk 'BEGIN { RS = "---\n" } !/\nkind: Secret\n/ { printf "---\n%s", $0 }' "$scratch/all.yaml" >"$scratch/pods.yaml"
    podman kube play --quiet "$scratch/pods.yaml" >/dev/null 2>"$scratch/play" || fail "$(cat "$scratch/play")"
    for replica in 0 1 2; do
        containers+=("seaworthy-pod-$replica-seaworthy")
    done
}

the_deployment_serves_and_drains() {
    play_deployment
    local container ip
    for container in "${containers[@]}"; do
        ip=$(address_of "$(podman inspect "$container" --format '{{.Pod}}' | xargs -I{} podman pod inspect {} --format '{{.InfraContainerID}}')")
        for path in /startupz /readyz /livez; do
            wait_for 200 "http://$ip:8080$path"
        done
    done
    said "three replicas of the Deployment pass their probes"

    local proc
    proc=/proc/$(state "$container" Pid)
    grep -qP '^NSpid:.*\t1$' "$proc/status" || fail "it is not PID 1"
    grep -q '^CapBnd:\s*0*$' "$proc/status" || fail "it has capabilities"
    grep -q '^NoNewPrivs:\s*1$' "$proc/status" || fail "it may gain privileges"
    grep -q '^Uid:\s*65532\s' "$proc/status" || fail "it runs as another user"
    grep -q '^[^ ]* / [^ ]* ro[, ]' "$proc/mounts" || fail "its root can be written"
    [ "$(podman inspect "$container" --format '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}')" = "134217728 500000000" ] ||
        fail "it runs without the manifests' limits"
    [ "$(podman image inspect "$image" --format '{{.HealthCheck.Test}}')" = "[CMD /seaworthy probe]" ] ||
        fail "the image's health check is not the probe command"
    podman exec "$container" /seaworthy probe || fail "the image's health check fails"
    said "PID 1, no capabilities, read-only root, 128 MiB, half a CPU"

    wrk -t1 -c50 -d5s "http://$ip:8080/" >"$scratch/wrk"
    ! grep -E 'Socket errors|Non-2xx' "$scratch/wrk" || fail "not every request was answered with 200"
    [ "$(state "$container" OOMKilled)" = false ] || fail "killed for memory"
    said "load: $(sed -n 's/^Requests.sec: *//p' "$scratch/wrk") requests/s, $(peak_memory "$container") KiB at the most"

    # Slow requests are under way when it is told to stop, on all workers but one; another comes while it drains.
    for _ in 1 2 3; do
        curl -s -o /dev/null -m 20 -w '%{http_code}\n' "http://$ip:8080/delay/8" >>"$scratch/slow" &
    done
    sleep 1
    podman stop -t 30 "$container" >/dev/null 2>&1 &
    wait_for 503 "http://$ip:8080/readyz"
    [ "$(status "http://$ip:8080/livez")" = 200 ] || fail "liveness fails during the drain"
    [ "$(status "http://$ip:8080/")" = 200 ] || fail "a late request is not served during the drain delay"
    wait
    [ "$(sort "$scratch/slow" | uniq -c | xargs)" = "3 200" ] || fail "slow requests were lost: $(cat "$scratch/slow")"
    expect_clean_drain "$container"
    said "stopped under slow requests: $(tail -1 "$scratch/log")"
    podman kube down "$scratch/pods.yaml" >/dev/null 2>&1
    containers=(seaworthy-e2e)
}

# Asks as the kubelet does, with its second of patience and more often, while a load is on. A single miss is forgiven
# where the next one passes a period later, as the manifests' thresholds do: on a shared machine the quota's clock runs
# on while the machine stands still, and the container pays for that by being throttled. Leaves what it saw in $probes.
probe_for() { # SECONDS URL
    local until=$((SECONDS + $1)) missed=0 path answer
    : >"$scratch/probes"
    while [ $SECONDS -lt $until ]; do
        for path in /livez /readyz; do
            answer=$(curl -s -o /dev/null -m 1 -w '%{http_code} %{time_total}' "$2$path" || true)
            if [ "${answer% *}" != 200 ]; then
                missed=$((missed + 1))
                sleep 2
                [ "$(status "$2$path")" = 200 ] || fail "$path was not answered with 200 within a second, twice: $answer"
            fi
            echo "${answer#* }" >>"$scratch/probes"
        done
        sleep 0.2
    done
    probes="$(wc -l <"$scratch/probes") probes, $missed missed, the slowest took $(sort -n "$scratch/probes" | tail -1) s"
}

a_tenth_of_a_cpu_is_enough() {
    local ip workers held began
    : >"$scratch/termination-log"
    chmod 666 "$scratch/termination-log"
    # Without the health check: it needs systemd's timers, and what starts it in the container spends the quota.
    podman run -d --name seaworthy-e2e --no-healthcheck --cpus 0.1 --memory 64m --memory-swap 64m --read-only \
        --cap-drop ALL --security-opt no-new-privileges -v "$scratch/termination-log:/dev/termination-log" \
        -e DEMO_ENDPOINTS=true -e ADMIN_PORT=9090 -e WORKERS=4 "$image" >/dev/null 2>&1
    ip=$(address_of seaworthy-e2e)
    wait_for 200 "http://$ip:8080/readyz"

    # As fast as a thousand clients can: the quota is what there is too little of.
    wrk -t1 -c1000 -d15s --timeout 30s "http://$ip:8080/" >"$scratch/wrk" &
    sleep 1
    probe_for 12 "http://$ip:8080"
    wait
    said "64 MiB and a tenth of a CPU, 1000 clients: $(sed -n 's/^Requests.sec: *//p' "$scratch/wrk") requests/s, $probes"

    # Four times as many clients as workers and queue hold, with handlers that block: the rest is refused at once.
    workers=4
    held=$((workers + 64 * workers))
    wrk -t1 -c$((4 * held)) -d15s --timeout 30s "http://$ip:8080/delay/1" >"$scratch/wrk" &
    sleep 1
    probe_for 12 "http://$ip:8080"
    curl -s -m 5 -D "$scratch/head" -o /dev/null "http://$ip:8080/delay/1" || fail "no answer under load"
    wait
    grep -q '^HTTP/1.1 503' "$scratch/head" || fail "the excess is not refused: $(head -1 "$scratch/head")"
    grep -qi '^retry-after:' "$scratch/head" || fail "a refusal without Retry-After"
    said "four times what it can hold: $(grep -E 'Non-2xx|requests in' "$scratch/wrk" | xargs), $probes"

    [ "$(state seaworthy-e2e OOMKilled) $(state seaworthy-e2e Running)" = "false true" ] || fail "it was killed"
    said "memory: $(peak_memory seaworthy-e2e) KiB of 65536 at the most"

    began=$SECONDS
    podman stop -t 30 seaworthy-e2e >/dev/null 2>&1
    [ $((SECONDS - began)) -lt 27 ] || fail "it took $((SECONDS - began)) s to stop"
    expect_clean_drain seaworthy-e2e
    grep -q drained "$scratch/termination-log" || fail "no drain report in /dev/termination-log"
    said "drain report in /dev/termination-log: $(head -1 "$scratch/termination-log")"
}

build_image
the_deployment_serves_and_drains
a_tenth_of_a_cpu_is_enough
echo "e2e: everything passed"
