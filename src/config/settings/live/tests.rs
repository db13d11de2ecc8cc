use super::*;
use crate::config::settings::tests::mounted::Mounted;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

mod checks;

impl Mounted {
    fn settings(&self, variables: &[(&str, &str)]) -> Settings {
        let named = [("CONFIG_DIR", self.path().to_str().unwrap())];
        Settings::from_pairs(variables.iter().chain(&named).copied())
    }

    fn reread(&self, settings: &Settings) -> Result<Reread<()>, SettingsError> {
        let directory = Directory::read(self.path()).unwrap();
        settings.reread(directory, |_| ())
    }

    fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }
}

fn shown(settings: &Settings, name: &str) -> String {
    let entry = settings.entries().iter().find(|entry| entry.name == name);
    entry.map_or_else(String::new, |entry| format!("{}  # {entry}", entry.shown))
}

#[test]
fn a_variable_counts_before_a_file_and_a_file_before_a_default() {
    let mounted = Mounted::new(&[("A", "file\n"), ("B", "file"), ("C", "")]);
    let mut settings = mounted.settings(&[("A", "variable"), ("B", "")]);
    settings.default_setting("C", "program");
    let read = ["A", "B", "C", "D"].map(|name| settings.text(name, "default"));
    assert_eq!(read, ["variable", "file", "program", "default"]);
    let told = |name: &str| shown(&settings, name);
    let overrules = format!("environment; overrules {}", mounted.file("A"));
    assert_eq!(told("A"), format!("variable  # {overrules}"));
    assert_eq!(told("B"), format!("file  # file {}", mounted.file("B")));
}

#[test]
fn config_says_which_settings_are_live_and_which_a_variable_holds_fast() {
    let mounted = Mounted::new(&[("A", "1"), ("B", "2")]);
    let mut settings = mounted.settings(&[("C", "3")]);
    for name in ["A", "C", "D"] {
        settings.live_number(name, 9, 0..=99);
    }
    settings.number("B", 9, 0..=99);
    let told = |name: &str| shown(&settings, name);
    assert_eq!(told("A"), format!("1  # file {}; live", mounted.file("A")));
    assert_eq!(told("B"), format!("2  # file {}", mounted.file("B")));
    assert_eq!(told("C"), "3  # environment");
    assert_eq!(told("D"), "9  # default; live");
}

#[test]
fn without_a_mounted_directory_nothing_is_called_live() {
    let mut settings = Settings::from_pairs([("A", "1")]);
    assert_eq!(settings.live_number("A", 9, 0..=99).get(), 1);
    assert_eq!(settings.live_number("B", 9, 0..=99).get(), 9);
    assert_eq!(shown(&settings, "A"), "1  # environment");
    assert_eq!(shown(&settings, "B"), "9  # default");
}

#[test]
fn a_change_is_followed_by_what_is_live_and_told_of_the_rest() {
    let mounted = Mounted::new(&[("LIMIT", "1"), ("GONE", "x"), ("FIXED", "a"), ("HELD", "a")]);
    let mut settings = mounted.settings(&[("HELD", "v")]);
    let limit = settings.live_number("LIMIT", 50, 1..=500);
    let gone = settings.live_text("GONE", "default");
    settings.live_text("HELD", "");
    settings.text("FIXED", "");
    mounted.swap(&[
        ("LIMIT", "2"),
        ("FIXED", "b"),
        ("HELD", "b"),
        ("OTHER", "b"),
    ]);
    let reread = mounted.reread(&settings).unwrap();
    let (_, changes) = settings.replace(reread);
    assert_eq!((limit.get(), &*gone.get()), (2, "default"));
    let expected = Changes {
        live: vec!["GONE", "LIMIT"],
        at_restart: vec!["FIXED"],
        overruled: vec!["HELD"],
        unknown: vec!["OTHER".to_owned()],
    };
    assert_eq!(changes, expected);
    assert!(shown(&settings, "LIMIT").starts_with("2 "));
    assert!(shown(&settings, "FIXED").starts_with("a "));
}

#[test]
fn what_a_variable_names_a_file_for_stays_what_it_was_whatever_changes_elsewhere() {
    let mounted = Mounted::new(&[("LIMIT", "1")]);
    let elsewhere = mounted.path().join("text");
    fs::write(&elsewhere, "first").unwrap();
    let mut settings = mounted.settings(&[("TEXT_FILE", elsewhere.to_str().unwrap())]);
    let text = settings.live_text("TEXT", "");
    let limit = settings.live_number("LIMIT", 50, 1..=500);
    fs::write(&elsewhere, "second").unwrap();
    mounted.swap(&[("LIMIT", "2")]);
    let reread = mounted.reread(&settings).unwrap();
    let (_, changes) = settings.replace(reread);
    assert_eq!(changes.live, ["LIMIT"]);
    assert_eq!((limit.get(), &*text.get()), (2, "first"));
}

#[test]
fn one_bad_value_refuses_the_whole_change() {
    let mounted = Mounted::new(&[("LIMIT", "1"), ("TTL", "1s")]);
    let mut settings = mounted.settings(&[]);
    let limit = settings.live_number("LIMIT", 50, 1..=500);
    let ttl = settings.live_duration("TTL", Duration::ZERO);
    mounted.swap(&[("LIMIT", "2"), ("TTL", "soon")]);
    let refused = mounted.reread(&settings).map(|_| ()).unwrap_err();
    let problem = refused.to_string();
    let file = mounted.file("TTL");
    assert!(problem.starts_with(&format!("TTL=\"soon\" in {file}: expected a duration")));
    assert_eq!((limit.get(), ttl.get()), (1, Duration::from_secs(1)));
    mounted.swap(&[("LIMIT", "3"), ("TTL", "3s")]);
    let reread = mounted.reread(&settings).unwrap();
    settings.replace(reread);
    assert_eq!((limit.get(), ttl.get()), (3, Duration::from_secs(3)));
}

#[test]
fn no_error_and_no_name_of_a_change_shows_a_secret() {
    let mounted = Mounted::new(&[("TOKEN", "old-secret")]);
    let mut settings = mounted.settings(&[]);
    let token = settings.live(|settings| {
        let token = settings.secret("TOKEN").unwrap();
        if token.expose().len() < 4 {
            settings.reject("TOKEN", "too short");
        }
        token
    });
    assert!(shown(&settings, "TOKEN").starts_with("[redacted]  # file "));
    mounted.swap(&[("TOKEN", "bad")]);
    let refused = mounted.reread(&settings).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "TOKEN: too short");
    mounted.swap(&[("TOKEN", "new-secret")]);
    let reread = mounted.reread(&settings).unwrap();
    let (_, changes) = settings.replace(reread);
    assert_eq!(changes.live, ["TOKEN"]);
    assert_eq!(token.get().expose(), "new-secret");
    assert!(shown(&settings, "TOKEN").starts_with("[redacted]"));
}

#[test]
fn a_directory_that_cannot_be_read_is_an_error_that_names_it() {
    let mut settings = Settings::from_pairs([("CONFIG_DIR", "/no/such/place")]);
    let expected = "CONFIG_DIR=\"/no/such/place\": it cannot be read: No such file";
    assert!(
        settings.errors()[0].starts_with(expected),
        "{:?}",
        settings.errors()
    );
    assert_eq!(settings.text("A", "default"), "default");
    assert_eq!(settings.errors().len(), 1);
}

#[test]
fn what_is_no_setting_in_the_directory_is_left_alone() {
    let mounted = Mounted::new(&[("tls.crt", "x"), ("A", "1")]);
    fs::create_dir(mounted.path().join("..data/NESTED")).unwrap();
    let mut settings = mounted.settings(&[]);
    assert_eq!(settings.number("A", 9, 0..=99), 1);
    assert!(settings.errors().is_empty());
    settings.text("NESTED", "");
    let expected = format!("NESTED in {}: ", mounted.file("NESTED"));
    assert!(
        settings.errors()[0].starts_with(&expected),
        "{:?}",
        settings.errors()
    );
}

#[test]
fn a_thousand_swaps_under_readers_are_never_seen_by_halves() {
    // Enough files that a swap comes while they are read.
    const NAMES: [&str; 12] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"];
    let swap = |mounted: &Mounted, number: u64| {
        let value = number.to_string();
        mounted.swap(&NAMES.map(|name| (name, value.as_str())));
    };
    let mounted = Mounted::new(&NAMES.map(|name| (name, "0")));
    let mut settings = mounted.settings(&[]);
    let values = settings.live(|settings| NAMES.map(|name| settings.number(name, 9999, 0..=9999)));
    let ended = AtomicBool::new(false);
    let problems = std::thread::scope(|threads| {
        let swapping = threads.spawn(|| (1..=1000).for_each(|number| swap(&mounted, number)));
        for _ in 0..2 {
            threads.spawn(|| {
                let mut last = 0;
                while !ended.load(Relaxed) {
                    let now = *values.get();
                    assert_eq!(now, [now[0]; NAMES.len()]);
                    assert!(now[0] >= last, "{} after {last}", now[0]);
                    last = now[0];
                }
            });
        }
        let mut problems = Vec::new();
        let mut seen = settings.directory().cloned();
        loop {
            let is_last = swapping.is_finished();
            if seen.as_ref().is_some_and(Directory::has_changed)
                && let Ok(directory) = Directory::read(mounted.path())
            {
                seen = Some(directory.clone());
                match settings.reread(directory, |_| ()) {
                    Ok(reread) => {
                        settings.replace(reread);
                        let now = *values.get();
                        if now != [now[0]; NAMES.len()] {
                            problems.push(format!("{now:?}"));
                        }
                    }
                    Err(errors) => problems.push(errors.to_string()),
                }
            }
            if is_last {
                ended.store(true, Relaxed);
                return problems;
            }
        }
    });
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(*values.get(), [1000; NAMES.len()]);
}
