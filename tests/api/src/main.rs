//! The public API as one line an item, with its signature, compared with what is written down in `tests/api/public.txt`.
//! `.ci/api` runs it, with the path of rustdoc's JSON; `--record` behind that writes the list down.

use std::{collections::BTreeSet, env, fs, process::ExitCode};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/public.txt");

/// Pages, which no build holds, and traits that nobody asks for by name.
const LEFT_OUT: [&str; 6] = [
    "pub mod seaworthy::guide",
    "impl core::marker::StructuralPartialEq for",
    "core::marker::Freeze for",
    "core::marker::Unpin for",
    "core::marker::UnsafeUnpin for",
    "core::panic::unwind_safe::",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (json, records) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [json] => (json, false),
        [json, "--record"] => (json, true),
        _ => {
            eprintln!("expected the path of rustdoc's JSON, and perhaps --record");
            return ExitCode::from(64);
        }
    };
    match compare(json, records) {
        Ok(changes) if changes.is_empty() => ExitCode::SUCCESS,
        Ok(changes) => {
            for change in changes {
                eprintln!("{change}");
            }
            eprintln!(
                "the public API has changed: tell of it in CHANGELOG.md, with what users have to do, then `.ci/api --record`"
            );
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// What differs from the list, which is written anew first where that was asked for.
fn compare(json: &str, records: bool) -> Result<Vec<String>, String> {
    let now = public_items(json)?;
    if records {
        let lines: Vec<&str> = now.iter().map(String::as_str).collect();
        fs::write(RECORDED, lines.join("\n") + "\n")
            .map_err(|error| format!("{RECORDED}: {error}"))?;
    }
    let recorded = fs::read_to_string(RECORDED).map_err(|error| format!("{RECORDED}: {error}"))?;
    let recorded: BTreeSet<String> = recorded.lines().map(str::to_owned).collect();
    let gone = recorded.difference(&now).map(|item| format!("- {item}"));
    let new = now.difference(&recorded).map(|item| format!("+ {item}"));
    Ok(gone.chain(new).collect())
}

/// Every item with its signature, and what its types implement, `Send` and `Sync` among it.
fn public_items(json: &str) -> Result<BTreeSet<String>, String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .build()
        .map_err(|error| format!("{json}: {error}"))?;
    let items = api.items().map(ToString::to_string);
    let is_left_out = |item: &str| LEFT_OUT.iter().any(|what| item.contains(what));
    Ok(items.filter(|item| !is_left_out(item)).collect())
}
