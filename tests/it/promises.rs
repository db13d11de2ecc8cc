//! What is promised in public, and that each promise has a test that holds it.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::panic;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use seaworthy::{Config, Request, Service};

/// What the one panic says that is meant.
const MARKER: &str = "a panic that is looked for";

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The list in the crate's documentation, a line each, without links.
fn promises() -> Vec<String> {
    let text = read("src/lib.rs");
    let (_, rest) = text
        .split_once("//! # What holds, whatever handlers and clients do\n//!\n")
        .expect("the crate's documentation has the list");
    let (list, _) = rest.split_once("\n//!\n").expect("it ends");
    let list = list.replace("\n//!   ", " ").replace("//! - ", "");
    list.lines()
        .map(|line| line.replace(['[', ']'], ""))
        .collect()
}

/// Each promise of `SECURITY.md` with the tests that it names.
fn held() -> Vec<(String, Vec<String>)> {
    let text = read("SECURITY.md");
    let rows = text.lines().filter_map(|line| {
        line.strip_prefix("| ")?
            .strip_suffix("` |")?
            .split_once(" | `")
    });
    let tests = |cell: &str| cell.split("`, `").map(str::to_owned).collect();
    rows.map(|(promise, cell)| (promise.to_owned(), tests(cell)))
        .collect()
}

/// Every test of this program by its whole name.
fn tests() -> BTreeSet<String> {
    let this = env::current_exe().expect("this test is a file");
    let listed = Command::new(this).arg("--list").output();
    let listed = String::from_utf8(listed.expect("it can be run").stdout).expect("names");
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

#[test]
fn each_promise_of_the_documentation_is_in_the_security_policy() {
    let promises = promises();
    assert!(promises.len() > 6, "{promises:?}");
    let listed: Vec<String> = held().into_iter().map(|(promise, _)| promise).collect();
    assert_eq!(listed, promises);
}

#[test]
fn each_promise_names_tests_that_there_are() {
    let tests = tests();
    let of_the_program = read("tests/program/main.rs");
    for (promise, named) in held() {
        assert!(!named.is_empty(), "nothing holds: {promise}");
        for name in named {
            let is_there = match name.strip_prefix("program::") {
                Some(name) => of_the_program.contains(&format!("\"{name}\"")),
                None => tests.contains(&name),
            };
            assert!(
                is_there,
                "there is no test {name}, which is to hold: {promise}"
            );
        }
    }
}

/// The items of a file that are the same for the whole process and may change: those of a thread are indented.
fn globals(text: &str) -> impl Iterator<Item = &str> {
    let changes = ["Mutex", "RwLock", "Atomic", "OnceLock", "OnceCell"];
    let is_global = |line: &&str| {
        let item = line.find("static ").map(|at| &line[..at]);
        item.is_some_and(|before| before.is_empty() || before.starts_with("pub"))
            && !line.contains("&'static ")
    };
    let statics = text.lines().filter(is_global);
    statics.filter(move |line| changes.iter().any(|kind| line.contains(kind)))
}

fn all_globals(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            all_globals(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("it can be read");
            found.extend(globals(&text).map(str::to_owned));
        }
    }
}

#[test]
fn nothing_but_the_logger_and_the_queue_of_spans_is_global() {
    let mut found = Vec::new();
    all_globals(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    found.sort();
    let allowed = [
        "static EXPORTER: OnceLock<Arc<Exporter>> = OnceLock::new();",
        "static LOGGER: OnceLock<Arc<Logger>> = OnceLock::new();",
    ];
    assert_eq!(found, allowed);
}

#[test]
fn a_service_that_is_started_installs_no_logger_and_no_panic_hook() {
    static SEEN: AtomicBool = AtomicBool::new(false);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref() == Some(&MARKER) {
            return SEEN.store(true, Relaxed);
        }
        before(info);
    }));

    let config = [("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")];
    let config = Config::from_pairs(config).expect("the test knows the settings");
    let service = Service::new("quiet").get("/", |_: &Request| "hello");
    let running = service.start(config).expect("a free port can be bound");
    assert_eq!(log::max_level(), log::LevelFilter::Off);
    assert!(panic::catch_unwind(|| panic::panic_any(MARKER)).is_err());
    assert!(SEEN.load(Relaxed), "the hook is another");
    running.stop();
    assert_eq!(running.wait().abandoned_total(), 0);
}
