//! What the README writes out, and somebody copies, is what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::Command;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The part of the README under that heading.
fn section(heading: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("the README has no section {heading:?}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

#[test]
fn the_readme_lists_every_setting_and_no_other() {
    let printed = Command::new(&["config"]).run();
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let settings: BTreeSet<&str> = printed
        .stdout
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    let section = section("Configuration");
    let names = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let listed: BTreeSet<&str> = names
        .flat_map(|cell| cell.split(", "))
        .map(|name| name.trim_matches('`'))
        .collect();
    assert!(settings.len() > 20, "{settings:?}");
    assert_eq!(listed, settings, "in the README, and by `config`");
}

#[test]
fn the_readme_links_a_service_of_ones_own_as_seaworthy_is_linked() {
    let config = read(".cargo/config.toml");
    let (_, config) = config.split_once("\n[target.").expect("how it is linked");
    let config = format!("[target.{config}");
    let lines = config.lines().filter(|line| !line.starts_with('#'));
    let linked = lines.collect::<Vec<_>>().join("\n");
    assert!(linked.contains("rustflags"), "{linked}");
    assert!(
        section("On Kubernetes").contains(linked.trim()),
        "the README does not write out:\n{linked}"
    );
}

#[test]
fn the_readmes_example_of_what_is_pushed_is_in_the_program_that_it_names() {
    let section = section("Answers that are pushed");
    let example = section.split("```rust\n").nth(1).expect("an example");
    let example = example.split("```").next().expect("its end");
    assert!(read("examples/events.rs").contains(example), "{example}");
}
