//! The manifests against the binary: what they set, it understands; what they ask, it answers.
//! That every field is one Kubernetes knows is checked by `tests/manifests.py`, which needs more than Rust.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::support::{Command, Engine, Mounted, Setup, eventually};

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// `NAME=value` lines, as kustomize's generators read them.
fn env_file(path: &str) -> Vec<(String, String)> {
    file(path)
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').expect(line))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// What the base configures the container with, as variables: the live ConfigMap's too, which is a directory there.
pub(crate) fn environment() -> Vec<(String, String)> {
    let mut all = variables();
    all.retain(|(name, _)| name != "CONFIG_DIR");
    all.extend(env_file(LIVE));
    all
}

const LIVE: &str = "manifests/base/live.env";

/// The environment that the base gives to the container.
fn variables() -> Vec<(String, String)> {
    let mut all = env_file("manifests/base/config.env");
    all.extend(env_file("manifests/base/secret.env"));
    for variable in container()["env"].as_array().unwrap() {
        let text = |key: &str| {
            variable[key]
                .as_str()
                .expect("variables are strings")
                .to_owned()
        };
        all.push((text("name"), text("value")));
    }
    all
}

fn pod() -> Value {
    let deployment = yaml::read(&file("manifests/base/deployment.yaml"));
    deployment["spec"]["template"]["spec"].clone()
}

fn container() -> Value {
    pod()["containers"][0].clone()
}

pub(crate) fn grace_period() -> Duration {
    Duration::from_secs(pod()["terminationGracePeriodSeconds"].as_u64().unwrap())
}

/// An HTTP probe as the kubelet runs it.
#[derive(Clone)]
pub(crate) struct Probe {
    pub(crate) path: String,
    pub(crate) port: String,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
    pub(crate) failure_threshold: u32,
}

impl Probe {
    pub(crate) fn named(name: &str) -> Probe {
        let probe = &container()[name];
        let text = |key: &str| probe["httpGet"][key].as_str().expect(key).to_owned();
        let number = |key: &str| probe[key].as_u64().expect(key);
        Probe {
            path: text("path"),
            port: text("port"),
            period: Duration::from_secs(number("periodSeconds")),
            timeout: Duration::from_secs(number("timeoutSeconds")),
            failure_threshold: number("failureThreshold") as u32,
        }
    }
}

const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

/// What `seaworthy config` says the manifests amount to.
fn effective_config() -> BTreeMap<String, String> {
    let command = environment()
        .into_iter()
        .fold(Command::new(&["config"]), |command, (name, value)| {
            command.set(&name, value)
        });
    let line = |line: &str| {
        let (name, rest) = line.split_once('=')?;
        let value = rest.split_once('#').map_or(rest, |(value, _source)| value);
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    command
        .run()
        .expect(0)
        .stdout
        .lines()
        .filter_map(line)
        .collect()
}

/// A duration that the manifests set, all of which are in seconds.
pub(crate) fn duration(name: &str) -> Duration {
    let variables: BTreeMap<_, _> = environment().into_iter().collect();
    let value = variables
        .get(name)
        .unwrap_or_else(|| panic!("the manifests do not set {name}"));
    let seconds = value
        .strip_suffix('s')
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{name}={value}")))
}

#[test]
fn every_variable_that_the_manifests_set_is_one_the_binary_reads() {
    let known = effective_config();
    for (name, _) in environment() {
        assert!(
            known.contains_key(&name),
            "{name} is set in manifests/base, and nothing reads it"
        );
    }
}

#[test]
fn the_pod_is_not_killed_before_its_drain_can_end() {
    assert_eq!(duration("TERMINATION_GRACE_PERIOD"), grace_period());
    let longest = duration("DRAIN_DELAY") + duration("SHUTDOWN_TIMEOUT") + Duration::from_secs(2);
    assert!(longest <= grace_period(), "a drain may take {longest:?}");
}

#[test]
fn what_the_live_config_map_holds_is_live_and_nothing_overrules_it() {
    let files = env_file(LIVE);
    let pairs: Vec<_> = files
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mounted = Mounted::new(&pairs);
    let command = Command::new(&["config"]);
    let all = variables().into_iter();
    let command = all
        .fold(command, |command, (name, value)| command.set(&name, value))
        .set("CONFIG_DIR", mounted.path());
    let printed = command.run().expect(0).stdout;
    for (name, value) in files {
        let line = printed
            .lines()
            .find(|line| line.starts_with(&format!("{name}=")));
        let line = line.unwrap_or_else(|| panic!("nothing reads {name}"));
        assert!(line.starts_with(&format!("{name}={value} ")), "{line}");
        assert!(line.ends_with("; live"), "{line}");
    }
    let pod = pod();
    let mount = &pod["containers"][0]["volumeMounts"][0];
    let volume = &pod["volumes"][0];
    let told = variables()
        .into_iter()
        .find(|(name, _)| name == "CONFIG_DIR");
    assert_eq!(
        mount["mountPath"].as_str(),
        told.as_ref().map(|(_, path)| path.as_str())
    );
    assert_eq!(mount["name"], volume["name"]);
    let kustomization = file("manifests/base/kustomization.yaml");
    let named = format!(
        "- name: {}\n",
        volume["configMap"]["name"].as_str().unwrap()
    );
    assert!(kustomization.contains(&named), "{named}");
}

#[test]
fn the_named_ports_are_the_ones_the_binary_opens() {
    let config = effective_config();
    let container = container();
    for (port, setting) in container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["PORT", "ADMIN_PORT"])
    {
        assert_eq!(
            port["containerPort"].to_string(),
            config[setting],
            "{}",
            port["name"]
        );
    }
    for probe in PROBES {
        assert_eq!(Probe::named(probe).port, "http", "{probe}");
    }
    let image = file("Containerfile");
    assert!(image.contains(&format!("EXPOSE {}\n", config["PORT"])));
}

#[test]
fn the_probes_leave_time_for_what_they_wait_for() {
    let [startup, readiness, liveness] = PROBES.map(Probe::named);
    for probe in [&startup, &readiness, &liveness] {
        assert!(probe.timeout >= Duration::from_secs(1), "{}", probe.path);
        assert!(probe.timeout <= probe.period, "{}", probe.path);
    }
    // Whoever probes as the kubelet does has stopped sending before the listener closes.
    assert!(readiness.period * readiness.failure_threshold < duration("DRAIN_DELAY"));
    // A pod that is merely slow for a moment is taken out of the Service long before it is restarted.
    let restarted = liveness.period * liveness.failure_threshold;
    assert!(readiness.period * readiness.failure_threshold < restarted);
}

#[test]
fn every_probe_of_the_manifests_passes_on_a_started_pod() {
    let setup = environment()
        .into_iter()
        .fold(Setup::new(Engine::Native), |setup, (name, value)| {
            setup.set(&name, value)
        });
    // The engine that the manifests get, and ports that are free here.
    let server = setup
        .unset("HTTP_ENGINE")
        .set("PORT", "0")
        .unset("ADMIN_PORT")
        .start();
    for probe in PROBES.map(Probe::named) {
        eventually(&probe.path, || probe.passes(server.address));
    }
}

#[test]
fn the_manifests_deploy_the_version_that_is_built() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(file("manifests/base/kustomization.yaml").contains(&format!("newTag: {version}\n")));
    assert!(file("Containerfile").contains(&format!("ARG VERSION={version}\n")));
}

/// The plain block style that the manifests are written in; anything else is a panic, never a guess.
mod yaml {
    use super::{Map, Value};

    pub(super) fn read(text: &str) -> Value {
        let mut lines: Vec<(usize, String)> = text
            .lines()
            .map(|line| line.split(" #").next().unwrap().trim_end())
            .filter(|line| !line.trim_start().is_empty() && !line.trim_start().starts_with('#'))
            .map(|line| {
                (
                    line.len() - line.trim_start().len(),
                    line.trim_start().to_owned(),
                )
            })
            .collect();
        lines.reverse(); // so that the next line is popped from the end
        let value = block(&mut lines);
        assert!(lines.is_empty(), "not understood: {lines:?}");
        value
    }

    fn block(lines: &mut Vec<(usize, String)>) -> Value {
        let (indent, first) = lines.last().expect("a value").clone();
        let more = |lines: &[(usize, String)]| lines.last().is_some_and(|line| line.0 == indent);
        if first.starts_with("- ") {
            let mut items = Vec::new();
            while more(lines) {
                let (_, line) = lines.pop().unwrap();
                let item = line.strip_prefix("- ").expect("an item").to_owned();
                if !item.contains(": ") && !item.ends_with(':') {
                    items.push(scalar(&item));
                    continue;
                }
                // `- key: value` begins a mapping that is indented by the dash.
                lines.push((indent + 2, item));
                items.push(block(lines));
            }
            return Value::Array(items);
        }
        let mut map = Map::new();
        while more(lines) {
            let (_, line) = lines.pop().unwrap();
            let (key, rest) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("no key: {line}"));
            let value = match rest.trim() {
                "" => block(lines),
                text => scalar(text),
            };
            assert!(map.insert(key.into(), value).is_none(), "{key} twice");
        }
        Value::Object(map)
    }

    fn scalar(text: &str) -> Value {
        assert!(
            !text.starts_with(['{', '[', '&', '*', '|', '>', '\'']),
            "not understood: {text}"
        );
        if let Some(quoted) = text.strip_prefix('"') {
            return Value::String(quoted.strip_suffix('"').expect("a closing quote").into());
        }
        match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => text
                .parse::<u64>()
                .map_or_else(|_| text.into(), Value::from),
        }
    }
}
