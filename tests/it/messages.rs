//! What the compiler says to who writes a handler that is none: it names what would be right.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The library as it was built last, whatever its features, beside this test.
fn library() -> PathBuf {
    let this = env::current_exe().expect("this test is a file");
    let built = fs::read_dir(this.parent().expect("it lies somewhere"));
    let built = built.expect("it can be read").filter_map(Result::ok);
    let is_library = |name: &str| name.starts_with("libseaworthy-") && name.ends_with(".rlib");
    let libraries = built.filter(|entry| entry.file_name().to_str().is_some_and(is_library));
    let age = |entry: &fs::DirEntry| {
        let metadata = entry.metadata().expect("it is there");
        metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let last = libraries.max_by_key(age);
    last.expect("the library was built for this test").path()
}

/// What the compiler says of a program whose `main` has this in it.
fn said_of(library: &Path, name: &str, body: &str) -> String {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.rs"));
    let text = format!("use seaworthy::*;\nstruct App;\nfn main() {{ let _ = {body}; }}\n");
    fs::write(&source, text).expect("a file can be written");
    let dependencies = library.parent().expect("it lies somewhere");
    let output = Command::new("rustc")
        .args(["--edition", "2024", "--emit", "metadata", "-o"])
        .arg(source.with_extension("rmeta"))
        .args(["-L", &format!("dependency={}", dependencies.display())])
        .args(["--extern", &format!("seaworthy={}", library.display())])
        .arg(source)
        .output()
        .expect("rustc is there, for it has built this test");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_closure_without_its_parameters_type_is_told_how_to_write_it() {
    const PLAIN: &str = "`|request: &Request| …`";
    const WITH_STATE: &str = "`|request: &Request, state: &App| …`";
    let library = library();
    for (name, body, expected) in [
        (
            "handler",
            "Service::new(\"x\").get(\"/\", |request| \"\")",
            PLAIN,
        ),
        (
            "of_routes",
            "Routes::<()>::new().any(\"/\", |request| \"\")",
            PLAIN,
        ),
        (
            "with_state",
            "Service::with_state(\"x\", App).get(\"/\", |request, app| \"\")",
            WITH_STATE,
        ),
        (
            "no_answer",
            "Service::new(\"x\").get(\"/\", |_: &Request| App)",
            "what it returns has to be an answer",
        ),
        (
            "layer",
            "Service::new(\"x\").layer(|request, next| \"\")",
            "`|request: &mut Request, next: Next<'_>| …`",
        ),
        (
            "task",
            "Service::new(\"x\").on_start(\"warm\", |stop| ())",
            "`|stop: &Stop| …`",
        ),
        (
            "check",
            "Service::with_state(\"x\", App).check(Check::readiness(\"y\", |app| Ok::<(), String>(())))",
            "`|state: &",
        ),
    ] {
        let said = said_of(&library, name, body);
        assert!(said.contains(expected), "{name}: {said}");
    }
}
