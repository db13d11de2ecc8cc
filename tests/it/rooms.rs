//! The architecture as a test: every import of `src/` outside its tests runs down the list of rooms in `lib.rs`, and
//! no two files import each other, however many lie between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top down. What is in none of them, the crate's root, is above all.
const ROOMS: [&str; 14] = [
    "command",
    "admin",
    "lifecycle",
    "pool",
    "health",
    "engine",
    "routing",
    "observe",
    "message",
    "config",
    "phase",
    "http_client",
    "resolve",
    "spawn",
];

const MOST_LINES: usize = 400;
const LONGEST_CHAIN: usize = 10;

/// A module by its path: `["engine", "http1", "head"]`; the crate's root is empty.
type Module = Vec<String>;

struct Source {
    file: PathBuf,
    /// Without comments, strings and tests.
    code: String,
}

/// Every module of the library that is no test, by its path.
fn sources() -> BTreeMap<Module, Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 40, "only {} files were found", found.len());
    found
}

fn collect(root: &Path, dir: &Path, found: &mut BTreeMap<Module, Source>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.is_dir() && stem != "tests" {
            collect(root, &path, found);
        }
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        if !is_code || stem == "tests" || path == root.join("main.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file can be read");
        let relative = path.strip_prefix(root).expect("it is below");
        let mut module: Module = relative
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if module
            .last()
            .is_some_and(|last| last == "mod" || last == "lib")
        {
            module.pop();
        }
        if module.contains(&"invariants".to_owned()) {
            continue;
        }
        let source = Source {
            file: Path::new("src").join(relative),
            code: without_tests(&without_text(&text)),
        };
        found.insert(module, source);
    }
}

/// The code without comments, and with every string and character empty.
fn without_text(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            'r' if rest.starts_with("r#\"") => rest.find("\"#").map_or(rest.len(), |end| end + 2),
            '"' => string_len(rest, '"'),
            // A character, and not a lifetime.
            '\'' if rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'') => {
                string_len(rest, '\'')
            }
            _ => 0,
        };
        if skipped == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            rest = &rest[skipped..];
        }
    }
    code
}

fn string_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Tests that stand in the file itself are its last item.
fn without_tests(code: &str) -> String {
    let end = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    code[..end].to_owned()
}

/// Every path in the code that leads somewhere in the crate, as segments from the crate's root.
fn paths(module: &Module, code: &str, modules: &BTreeSet<Module>) -> Vec<Module> {
    let mut found = Vec::new();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut at = 0;
    while let Some(colons) = code[at..].find("::").map(|position| at + position) {
        let start = code[..colons]
            .bytes()
            .rposition(|byte| !is_word(byte))
            .map_or(0, |before| before + 1);
        let continues = code[..start].ends_with("::");
        let first = &code[start..colons];
        let mut child = module.clone();
        child.push(first.to_owned());
        let base = match first {
            _ if continues => None,
            "crate" => Some(Vec::new()),
            "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
            "self" => Some(module.clone()),
            _ if modules.contains(&child) => Some(child),
            _ => None,
        };
        at = colons + 2;
        if let Some(base) = base {
            // What stands in a tree belongs to its root, and is not looked at again by itself.
            at += expand(&base, &code[at..], &mut found);
        }
    }
    found
}

/// Follows a path or a tree of paths behind `base`; returns what it has read.
fn expand(base: &[String], text: &str, found: &mut Vec<Module>) -> usize {
    let trimmed = text.trim_start();
    let mut at = text.len() - trimmed.len();
    if trimmed.starts_with('{') {
        at += 1;
        loop {
            at += text[at..].len() - text[at..].trim_start_matches([',', ' ', '\n', '\t']).len();
            match text[at..].chars().next() {
                None => return at,
                Some('}') => return at + 1,
                Some(_) => at += expand(base, &text[at..], found).max(1),
            }
        }
    }
    let word = trimmed
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(trimmed.len());
    let mut path = base.to_vec();
    match &trimmed[..word] {
        "super" => drop(path.pop()),
        "self" | "" => {}
        segment => path.push(segment.to_owned()),
    }
    at += word;
    if text[at..].starts_with("::") {
        return at + 2 + expand(&path, &text[at + 2..], found);
    }
    if let Some(renamed) = text[at..].strip_prefix(" as ") {
        at += " as ".len() + renamed.find([',', ';', '}']).unwrap_or(renamed.len());
    }
    found.push(path);
    at
}

/// Which modules each one names, itself excepted.
fn imports(sources: &BTreeMap<Module, Source>) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeSet<Module> = sources.keys().cloned().collect();
    let owner = |path: &Module| {
        let prefixes = (0..=path.len()).rev().map(|length| path[..length].to_vec());
        prefixes.into_iter().find(|prefix| modules.contains(prefix))
    };
    let of = |(module, source): (&Module, &Source)| {
        let named = paths(module, &source.code, &modules);
        let others = named
            .iter()
            .filter_map(owner)
            .filter(|other| other != module);
        (module.clone(), others.collect())
    };
    sources.iter().map(of).collect()
}

/// 0 for the crate's root, which is above all.
fn room(module: &Module) -> usize {
    let place = |first: &String| ROOMS.iter().position(|room| room == first);
    module.first().and_then(place).map_or(0, |place| place + 1)
}

#[test]
fn every_import_runs_down_the_rooms() {
    let sources = sources();
    let mut upward = Vec::new();
    for (module, others) in imports(&sources) {
        for other in others.iter().filter(|other| room(other) < room(&module)) {
            let (from, to) = (&sources[&module].file, &sources[other].file);
            upward.push(format!("{} imports {}", from.display(), to.display()));
        }
    }
    assert!(upward.is_empty(), "upward:\n{}", upward.join("\n"));
}

#[test]
fn no_two_files_import_each_other() {
    let sources = sources();
    let imports = imports(&sources);
    let mut circles = BTreeSet::new();
    for start in imports.keys() {
        if let Some(circle) = circle_from(start, &imports) {
            let files = circle
                .iter()
                .map(|module| sources[module].file.display().to_string());
            circles.insert(
                files
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>()
                    .join(", "),
            );
        }
    }
    let circles: Vec<String> = circles.into_iter().collect();
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

/// The shortest way from a module back to itself.
fn circle_from(
    start: &Module,
    imports: &BTreeMap<Module, BTreeSet<Module>>,
) -> Option<Vec<Module>> {
    let mut seen = BTreeSet::new();
    let mut ways = std::collections::VecDeque::from([vec![start.clone()]]);
    while let Some(way) = ways.pop_front() {
        for next in &imports[way.last().expect("it begins with a module")] {
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push_back(way.iter().chain([next]).cloned().collect());
            }
        }
    }
    None
}

#[test]
fn a_change_passes_through_few_rooms() {
    let mut below: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (module, others) in imports(&sources()) {
        let others = others.iter().map(room);
        below.entry(room(&module)).or_default().extend(others);
    }
    let mut depth = [1; ROOMS.len() + 1];
    for place in (0..depth.len()).rev() {
        let lower = below
            .get(&place)
            .into_iter()
            .flatten()
            .filter(|lower| **lower > place);
        depth[place] = 1 + lower.map(|lower| depth[*lower]).max().unwrap_or(0);
    }
    assert!(
        depth[0] <= LONGEST_CHAIN,
        "the longest chain has {} rooms",
        depth[0]
    );
}

/// Every source file below a directory, but for what is built there.
fn list(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let is_built = path.file_name().is_some_and(|name| name == "target");
        if path.is_dir() && !is_built {
            list(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn each_file_fits_on_a_few_screens() {
    let mut files = Vec::new();
    for dir in ["src", "tests", "benches", "examples"] {
        list(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut files);
    }
    assert!(files.len() > 200, "only {} files were found", files.len());
    let lines = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("a source file can be read");
        (text.lines().count(), file.display().to_string())
    };
    let long: Vec<String> = files
        .iter()
        .map(lines)
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, file)| format!("{file} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "over {MOST_LINES}:\n{}", long.join("\n"));
}

#[test]
fn what_must_stay_pure_names_no_thread_and_no_socket_and_each_crate_stays_in_its_room() {
    let pure = [
        "thread",
        "Mutex",
        "atomic",
        "mio",
        "socket2",
        "TcpStream",
        "TcpListener",
    ];
    let of_engines = ["engine", "reactor", "pool"];
    for (module, source) in sources() {
        let file = source.file.display();
        let names = |word: &str| {
            let parts = source
                .code
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            parts.into_iter().any(|part| part == word)
        };
        let is_in = |path: &[&str]| {
            module
                .iter()
                .map(String::as_str)
                .take(path.len())
                .eq(path.iter().copied())
        };
        if is_in(&["config"]) || is_in(&["engine", "http1"]) {
            pure.iter()
                .filter(|word| **word != "atomic" || module != ["config", "live"])
                .for_each(|word| assert!(!names(word), "{file} names {word}"));
        }
        if is_in(&["config"]) {
            of_engines
                .iter()
                .for_each(|word| assert!(!names(word), "{file} names {word}"));
        }
        if !is_in(&["lifecycle", "signals"]) {
            assert!(!names("signal_hook"), "{file} names signal-hook");
        }
        if !is_in(&["resolve"]) {
            assert!(!names("dns_lookup"), "{file} names dns-lookup");
        }
        if !is_in(&["engine", "tiny_http"]) {
            let outside = source.code.replace("engine::tiny_http", "");
            assert!(!outside.contains("tiny_http::"), "{file} names tiny_http");
        }
    }
}
