//! What README, guide and template write out, and somebody copies, is what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Command;

const CONFIGURATION: &str = "src/guide/configuration.md";
const DEPLOYMENT: &str = "src/guide/deployment.md";

/// Two screens of a terminal.
const MOST_LINES_OF_README: usize = 100;

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The part of that page under that heading.
fn section(page: &str, heading: &str) -> String {
    let text = read(page);
    let (_, rest) = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("{page} has no section {heading:?}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The files of a directory, by name.
fn files(dir: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(path(dir)).unwrap_or_else(|error| panic!("{dir}: {error}"));
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.filter_map(Result::ok).map(name).collect()
}

#[test]
fn the_guide_lists_every_setting_and_no_other() {
    let printed = Command::new(&["config"]).run();
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let settings: BTreeSet<&str> = printed
        .stdout
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    let section = section(CONFIGURATION, "Every setting");
    let names = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let listed: BTreeSet<&str> = names
        .flat_map(|cell| cell.split(", "))
        .map(|name| name.trim_matches('`'))
        .collect();
    assert!(settings.len() > 20, "{settings:?}");
    assert_eq!(listed, settings, "in the guide, and by `config`");
}

#[test]
fn a_service_of_ones_own_is_linked_as_seaworthy_is() {
    let config = read(".cargo/config.toml");
    let (_, config) = config.split_once("\n[target.").expect("how it is linked");
    let config = format!("[target.{config}");
    let lines = config.lines().filter(|line| !line.starts_with('#'));
    let linked = lines.collect::<Vec<_>>().join("\n");
    assert!(linked.contains("rustflags"), "{linked}");
    for copy in [DEPLOYMENT, "examples/template/.cargo/config.toml"] {
        let has_it = read(copy).contains(linked.trim());
        assert!(has_it, "{copy} does not write out:\n{linked}");
    }
}

#[test]
fn the_guides_image_is_the_templates_which_ci_builds() {
    let (_, written) = read(DEPLOYMENT)
        .split_once("```dockerfile\n")
        .map(|(before, rest)| (before.to_owned(), rest.to_owned()))
        .expect("a Containerfile");
    let (written, _) = written.split_once("```").expect("its end");
    assert_eq!(written, read("examples/template/Containerfile"));
    let (_, profile) = read("examples/template/Cargo.toml")
        .split_once("[profile.release]")
        .map(|(before, rest)| (before.to_owned(), rest.to_owned()))
        .expect("a profile");
    let profile = profile.split("\n\n").next().expect("its end");
    assert!(read(DEPLOYMENT).contains(&format!("[profile.release]{profile}")));
}

#[test]
fn the_templates_manifests_are_the_base_by_another_name() {
    let (base, template) = ("manifests/base", "examples/template/manifests");
    assert_eq!(files(base), files(template));
    for file in files(base)
        .iter()
        .filter(|file| Path::new(file).extension().is_some_and(|e| e == "yaml"))
    {
        let renamed = read(&format!("{base}/{file}")).replace("seaworthy", "hello");
        let renamed = renamed.replace(env!("CARGO_PKG_VERSION"), "0.1.0");
        assert_eq!(renamed, read(&format!("{template}/{file}")), "{file}");
    }
}

#[test]
fn the_readme_comes_to_its_links_within_two_screens() {
    let readme = read("README.md");
    let (before, links) = readme
        .split_once("\n## On from here\n")
        .expect("the README has links");
    let lines = before.lines().count();
    assert!(lines <= MOST_LINES_OF_README, "{lines} lines");
    let targets = links
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let local: Vec<&str> = targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .collect();
    assert!(local.len() > 8, "{local:?}");
    for target in local {
        assert!(path(target).exists(), "the README links {target}");
    }
}

#[test]
fn every_page_of_the_guide_is_listed_and_has_a_module() {
    let index = read("src/guide/mod.rs");
    let pages: Vec<String> = files("src/guide")
        .iter()
        .filter_map(|file| Some(file.strip_suffix(".md")?.to_owned()))
        .collect();
    assert!(pages.len() > 12, "{pages:?}");
    for page in pages {
        assert!(index.contains(&format!("]({page})")), "no link to {page}");
        let module = format!("#[doc = include_str!(\"{page}.md\")]\npub mod {page} {{}}");
        assert!(index.contains(&module), "no module {page}");
    }
}

/// Rust that is written out is compiled, or says why it is not Rust: `ignore` and `text` would hide that it has aged.
#[test]
fn no_code_of_the_guide_is_left_uncompiled() {
    let pages = files("src/guide")
        .into_iter()
        .map(|file| format!("src/guide/{file}"));
    for page in pages.chain(["README.md".to_owned()]) {
        let text = read(&page);
        let mut is_open = false;
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("```"))
        {
            let words = [
                "```rust",
                "```rust,no_run",
                "```sh",
                "```console",
                "```toml",
                "```dockerfile",
                "```json",
                "```yaml",
            ];
            assert!(is_open || words.contains(&line.trim()), "{page}: {line}");
            is_open = !is_open;
        }
    }
}

#[test]
fn what_names_a_version_names_the_one_there_is() {
    let version = env!("CARGO_PKG_VERSION");
    let named = [
        ("Containerfile", format!("ARG VERSION={version}\n")),
        ("Containerfile", format!("-t seaworthy:{version} ")),
        (
            "manifests/base/kustomization.yaml",
            format!("newTag: {version}\n"),
        ),
        (DEPLOYMENT, format!("-t seaworthy:{version} ")),
        ("CHANGELOG.md", format!("\n## {version} - ")),
    ];
    for (file, text) in named {
        assert!(read(file).contains(&text), "{file} does not name {version}");
    }
    let (minor, _) = version.rsplit_once('.').expect("three numbers");
    let dependency = format!("seaworthy = \"{minor}\"");
    assert!(read("examples/template/Cargo.toml").contains(&dependency));
    assert!(
        read("src/guide/first_service.md")
            .contains(&format!("Rust {} or newer", env!("CARGO_PKG_RUST_VERSION")))
    );
}
