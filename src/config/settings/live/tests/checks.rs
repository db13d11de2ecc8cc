//! What was read once, and is no more than checked when the directory changes.

use super::*;
use std::net::IpAddr;

const ONE_SECOND: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1);

/// Reads the setting `A`.
type Read = Box<dyn Fn(&mut Settings)>;

/// Every method that asks something of a text: one that it takes, and one that it does not.
fn readings() -> Vec<(Read, &'static str, &'static str)> {
    fn by<T>(read: impl Fn(&mut Settings) -> T + 'static) -> Read {
        Box::new(move |settings| {
            read(settings);
        })
    }
    let none = Duration::ZERO;
    let words = [("one", 1), ("two", 2)];
    let any = IpAddr::from([0; 4]);
    let tcp = "tcp://10.0.0.1:80";
    vec![
        (by(move |of| of.duration("A", none)), "2s", "soon"),
        (
            by(move |of| of.duration_within("A", none, ONE_SECOND)),
            "1s",
            "2s",
        ),
        (by(|of| of.optional_duration("A", ONE_SECOND)), "1s", "2s"),
        (by(|of| of.size("A", 1)), "1Ki", "1KB"),
        (by(|of| of.size_within("A", 1, 1..=2)), "2", "3"),
        (by(|of| of.number("A", 1, 1..=2)), "2", "3"),
        (by(|of| of.optional_number("A", 1..=2)), "2", tcp),
        (by(|of| of.flag("A", true)), "False", "no"),
        (by(move |of| of.choice("A", 1, &words)), "TWO", "three"),
        (
            by(move |of| of.parse("A", any, "an address")),
            "::1",
            "here",
        ),
        (
            by(|of| of.parse_optional::<char>("A", "a character")),
            "x",
            "two",
        ),
        (by(|of| of.list_of::<u8>("A", "a byte")), "1, 2,", "1, 256"),
        (by(|of| of.required("A")), "x", ""),
        (by(|of| of.required_secret("A")), "x", ""),
    ]
}

fn refused(mounted: &Mounted, settings: &Settings) -> String {
    let reread = mounted.reread(settings);
    reread.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_a_start_would_refuse_refuses_a_change_in_the_same_words() {
    for (number, (read, good, bad)) in readings().into_iter().enumerate() {
        let mounted = Mounted::new(&[("A", good)]);
        let mut settings = mounted.settings(&[]);
        read(&mut settings);
        assert_eq!(settings.errors(), [""; 0], "reading {number}");
        mounted.swap(&[("A", bad)]);
        let mut started = mounted.settings(&[]);
        read(&mut started);
        assert_eq!(started.errors().len(), 1, "reading {number}");
        assert_eq!(refused(&mounted, &settings), started.errors()[0]);
        mounted.swap(&[("A", good), ("B", "")]);
        assert!(mounted.reread(&settings).is_ok(), "reading {number}");
    }
}

#[test]
fn a_file_that_cannot_be_had_refuses_a_change_of_any_text() {
    let mounted = Mounted::new(&[("A", "x"), ("B", "x")]);
    let mut settings = mounted.settings(&[]);
    settings.text("A", "");
    settings.secret("B");
    mounted.swap(&[("A", &"x".repeat(2 << 20)), ("B", &"y".repeat(2 << 20))]);
    let expected = ["A", "B"].map(|name| {
        let file = mounted.file(name);
        format!("{name} in {file}: the file is larger than 1MiB")
    });
    assert_eq!(refused(&mounted, &settings), expected.join("\n"));
}

#[test]
fn a_bad_text_of_a_name_that_is_a_secret_elsewhere_is_not_shown() {
    let mounted = Mounted::new(&[("A", "1")]);
    let mut settings = mounted.settings(&[]);
    settings.number("A", 0, 0..=9);
    settings.secret("A");
    mounted.swap(&[("A", "password")]);
    assert_eq!(
        refused(&mounted, &settings),
        "A: expected a whole number from 0 to 9"
    );
}

#[test]
fn a_file_that_a_variable_overrules_may_hold_anything() {
    let mounted = Mounted::new(&[("A", "1")]);
    let mut settings = mounted.settings(&[("A", "2")]);
    settings.number("A", 0, 0..=9);
    mounted.swap(&[("A", "many")]);
    let (_, changes) = settings.replace(mounted.reread(&settings).unwrap());
    assert_eq!(changes.overruled, ["A"]);
}

#[test]
fn what_was_only_checked_is_shown_as_it_runs_and_named_as_needing_a_restart() {
    let mounted = Mounted::new(&[("A", "1")]);
    let mut settings = mounted.settings(&[]);
    settings.number("A", 0, 0..=9);
    mounted.swap(&[("A", "2")]);
    let (_, changes) = settings.replace(mounted.reread(&settings).unwrap());
    assert_eq!((changes.at_restart, changes.live), (vec!["A"], vec![]));
    assert!(shown(&settings, "A").starts_with("1 "));
}

#[test]
fn what_is_read_again_is_not_checked_too() {
    let mounted = Mounted::new(&[("WHICH", "a"), ("A", "1")]);
    let mut settings = mounted.settings(&[]);
    let value = settings.live(|settings| match settings.text("WHICH", "b").as_str() {
        "a" => settings.number("A", 0, 0..=9),
        _ => 7,
    });
    mounted.swap(&[("WHICH", "b"), ("A", "unused")]);
    settings.replace(mounted.reread(&settings).unwrap());
    assert_eq!(*value.get(), 7);
}
