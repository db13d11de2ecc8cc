//! The variants, how they are built, and the check that they all answer alike.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use benches::{BODY, GREETING, NEWS};

use crate::cgroup::{Hierarchy, Limits};
use crate::client;
use crate::server::Server;

const STATIC_TARGET: &str = match cfg!(target_arch = "aarch64") {
    true => "aarch64-unknown-linux-musl",
    false => "x86_64-unknown-linux-musl",
};

/// What the kernel alone costs, to which all others are in proportion.
pub const LIMIT: &str = "limit";
pub const OURS: &str = "seaworthy";

/// A name, the binary behind it and what it finds in its environment.
type Known = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const KNOWN: [Known; 11] = [
    (LIMIT, "limit", &[]),
    (OURS, "seaworthy", &[("HTTP_ENGINE", "native")]),
    ("seaworthy on tiny_http", "seaworthy", &[("HTTP_ENGINE", "tiny_http")]),
    ("axum", "axum", &[]),
    ("actix-web", "actix", &[]),
    ("hyper", "hyper", &[]),
    ("khttp", "khttp", &[]),
    ("astra", "astra", &[]),
    ("tiny_http", "tiny_http", &[]),
    ("rouille", "rouille", &[]),
    ("Go net/http", "go", &[]),
];

/// What a variant cannot do: its name, the scenarios and why.
type Inability = (&'static str, &'static [&'static str], &'static str);

const EVENTS: &[&str] = &["events", "events-64m"];

const INABILITIES: [Inability; 11] = [
    (
        LIMIT,
        &[
            "json",
            "down",
            "up",
            "work",
            "block",
            "block-default",
            "open-block",
            "probe-blocked",
            "probe-computing",
            "events",
            "events-64m",
            "stop",
        ],
        "answers nothing but the greeting",
    ),
    ("astra", &["up"], "waits for ever for a body that does not come with its head"),
    ("seaworthy on tiny_http", EVENTS, "has a thread for each stream"),
    ("actix-web", EVENTS, "has none of its own"),
    ("hyper", EVENTS, "has none of its own; axum's run on it"),
    ("khttp", EVENTS, "has a thread for each stream"),
    ("astra", EVENTS, "has a thread for each stream"),
    ("tiny_http", EVENTS, "has a thread for each stream"),
    ("rouille", EVENTS, "has a thread for each stream"),
    ("astra", &["idle"], "has a thread for each connection"),
    ("astra", &["stop"], "has no way to stop but by the signal itself"),
];

/// Why that variant has no part in that scenario, if it has none.
pub fn cannot(variant: &str, scenario: &str) -> Option<&'static str> {
    let told = INABILITIES.iter().find(|(name, scenarios, _)| *name == variant && scenarios.contains(&scenario));
    told.map(|(_, _, why)| *why)
}

/// Both engines.
pub fn is_ours(variant: &str) -> bool {
    variant.starts_with(OURS)
}

#[derive(Clone, Debug)]
pub struct Variant {
    pub name: String,
    pub program: PathBuf,
    pub env: Vec<(String, String)>,
}

/// Those that are named, or all that could be built. `name=path` is a binary from elsewhere.
pub fn select(wanted: &[String], builds: &Path) -> Result<Vec<Variant>, String> {
    let known = |(name, file, env): &Known| Variant {
        name: name.to_string(),
        program: builds.join(file),
        env: env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
    };
    if wanted.is_empty() {
        let built = |variant: &Variant| variant.program.exists();
        return Ok(KNOWN.iter().map(known).filter(built).collect());
    }
    let find = |word: &String| match word.split_once('=') {
        Some((name, path)) => {
            let program = fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))?;
            Ok(Variant { name: name.into(), program, env: Vec::new() })
        }
        None => {
            let found = KNOWN.iter().find(|(name, file, _)| word == name || word == file);
            let names = KNOWN.map(|(name, ..)| name).join(", ");
            found.map(known).ok_or(format!("no variant {word:?}; there are {names}"))
        }
    };
    wanted.iter().map(find).collect()
}

/// Builds all variants as their users would and tells what could not be built.
pub fn build(builds: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    let target_directory = builds.parent().unwrap_or(builds);
    if !cargo_build(target_directory, &[]) {
        missing.push("some variant in Rust does not build".into());
    }
    let static_target = ["--target", STATIC_TARGET, "--config", "profile.release.strip=true"];
    if !cargo_build(target_directory, &static_target) {
        missing.push(format!("no static binaries: rustup target add {STATIC_TARGET}"));
    }
    let go = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(builds.join("go"))
        .arg(".")
        .env("CGO_ENABLED", "0")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/go"))
        .status();
    if !go.is_ok_and(|status| status.success()) {
        missing.push("no Go: see benches/README.md for how to get a toolchain".into());
    }
    missing
}

fn cargo_build(target_directory: &Path, options: &[&str]) -> bool {
    let cargo = env::var("CARGO").unwrap_or("cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--bins", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .arg("--target-dir")
        .arg(target_directory)
        .args(options)
        .stdin(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// What would be copied into an image `FROM scratch`; Go's binary is static already.
pub fn static_binary(variant: &Variant, builds: &Path) -> Option<PathBuf> {
    let file = variant.program.file_name()?;
    if file == "go" {
        return Some(variant.program.clone());
    }
    let binary = builds.parent()?.join(STATIC_TARGET).join("release").join(file);
    (variant.program.parent() == Some(builds) && binary.exists()).then_some(binary)
}

/// The scenario that measures a route, the method, the path, the body, and the body of the answer.
type Exchange<'a> = (&'a str, &'a str, &'a str, &'a [u8], &'a [u8]);

/// Asks each route once, by the scenario that measures it: a variant that answers something else is not the same
/// service.
pub fn check(variant: &Variant, cgroups: &Hierarchy) -> Result<(), String> {
    let problem = |what: String| format!("{}: {what}", variant.name);
    let server = start(variant, &[], cgroups, Limits::default()).map_err(|error| problem(error.to_string()))?;
    let json = serde_json::to_vec(&benches::pod()).expect("a pod is JSON");
    let up = vec![b'x'; BODY];
    let work = benches::work();
    let expected: [Exchange; 8] = [
        ("greeting", "GET", "/", b"", GREETING.as_bytes()),
        ("json", "GET", "/json", b"", &json),
        ("down", "GET", "/down", b"", &benches::DOWN),
        ("up", "POST", "/up", &up, b"65536"),
        ("work", "GET", "/work", b"", work.as_bytes()),
        ("block", "GET", "/block", b"", b"slept"),
        ("events", "POST", "/say", NEWS.as_bytes(), b"told"),
        ("probe-blocked", "GET", "/healthz", b"", b"ok"),
    ];
    for (scenario, method, path, body, wanted) in expected {
        if cannot(&variant.name, scenario).is_some() {
            continue;
        }
        match ask_patiently(server.port, method, path, body) {
            Ok((200, answer)) if answer.trim_ascii_end() == wanted => {}
            Ok((status, answer)) => {
                let length = answer.len();
                return Err(problem(format!("{method} {path}: {status}, {length} bytes")));
            }
            Err(error) => return Err(problem(format!("{method} {path}: {error}"))),
        }
    }
    Ok(())
}

/// astra loses a connection now and then, which the scenarios show: the check is of answers.
fn ask_patiently(port: u16, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    const ATTEMPTS: usize = 3;
    let mut asked = client::ask(port, method, path, body);
    for _ in 1..ATTEMPTS {
        match asked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => asked = client::ask(port, method, path, body),
            _ => break,
        }
    }
    asked
}

/// Starts it in a group of its own.
pub fn start(variant: &Variant, env: &[(&str, &str)], cgroups: &Hierarchy, limits: Limits) -> io::Result<Server> {
    let group = cgroups.create(&format!("seaworthy-bench-{}", std::process::id()), limits)?;
    Server::start(&variant.program, &environment(variant, env), group)
}

/// What the variant always finds and what the scenario adds.
pub fn environment(variant: &Variant, env: &[(&str, &str)]) -> Vec<(String, String)> {
    let added = env.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    variant.env.iter().cloned().chain(added).collect()
}

/// All that are known, in the order of a table's rows.
pub fn names() -> Vec<&'static str> {
    KNOWN.map(|(name, ..)| name).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::find;

    #[test]
    fn who_cannot_what_names_variants_and_scenarios_that_exist() {
        for (variant, scenarios, _) in INABILITIES {
            assert!(names().contains(&variant), "{variant}");
            scenarios.iter().for_each(|scenario| assert!(find(scenario).is_some(), "{scenario}"));
        }
    }

    #[test]
    fn a_reason_is_told_for_that_variant_in_that_scenario_alone() {
        assert!(cannot("astra", "idle").is_some_and(|why| why.contains("thread")));
        assert_eq!((cannot("astra", "greeting"), cannot("khttp", "idle")), (None, None));
    }
}
