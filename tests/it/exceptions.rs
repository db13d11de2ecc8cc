//! What the tiny_http engine cannot pass, by name and with the reason. The native engine has no exceptions.
//!
//! `IT_EXCEPTIONS=1 cargo test` runs them all the same, to see whether one can go.

use crate::support::{Engine, note};
use crate::{chaos, configuration, http, library, life, logging, pool, probes};

/// Tests as `module::name`, rows of the tables in `http/tables.rs` as `row: name`.
const TINY_HTTP: &[(&str, &str)] = &[];

/// Why a test is not run on an engine, if it is not.
pub(crate) fn reason(engine: Engine, name: &str) -> Option<&'static str> {
    if engine == Engine::Native || std::env::var_os("IT_EXCEPTIONS").is_some() {
        return None;
    }
    TINY_HTTP
        .iter()
        .find(|(excepted, _)| *excepted == name)
        .map(|(_, reason)| *reason)
}

/// Whether a row of a table is left out on an engine; says so.
pub(crate) fn row(engine: Engine, name: &str) -> bool {
    let name = format!("row: {name}");
    let reason = reason(engine, &name);
    if let Some(reason) = reason {
        note(&format!("{name} skipped for {}: {reason}", engine.name()));
    }
    reason.is_some()
}

#[test]
fn the_list_names_only_what_exists() {
    let modules = [
        ("chaos", chaos::CASES),
        ("configuration", configuration::CASES),
        ("http", http::CASES),
        ("http::limits", http::LIMITS_CASES),
        ("library", library::CASES),
        ("life", life::CASES),
        ("logging", logging::CASES),
        ("pool", pool::CASES),
        ("probes", probes::CASES),
    ];
    let cases = modules
        .iter()
        .flat_map(|(module, cases)| cases.iter().map(move |case| format!("{module}::{case}")));
    let rows = http::rows().map(|row| format!("row: {row}"));
    let names: Vec<String> = cases.chain(rows).collect();
    for (index, (name, reason)) in TINY_HTTP.iter().enumerate() {
        assert!(names.iter().any(|known| known == name), "{name} is no test");
        assert!(
            TINY_HTTP[..index].iter().all(|(other, _)| other != name),
            "{name} is listed twice"
        );
        assert!(!reason.is_empty(), "{name} has no reason");
    }
}
