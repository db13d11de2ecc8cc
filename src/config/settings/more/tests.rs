use super::*;
use crate::config::{limits::Limits, table::Config};
use std::time::Duration;

#[test]
fn a_required_setting_that_is_missing_is_an_error_that_names_it_once() {
    let mut settings = Settings::from_pairs([("GIVEN", "yes"), ("EMPTY", "")]);
    assert_eq!(settings.required("GIVEN"), "yes");
    assert_eq!(settings.required("EMPTY"), "");
    assert_eq!(settings.required_secret("TOKEN").expose(), "");
    settings.required_secret("TOKEN");
    let missing = [
        "EMPTY: required, but not given",
        "TOKEN: required, but not given",
    ];
    assert_eq!(settings.errors(), missing);
}

#[test]
fn a_list_is_split_at_commas_and_its_first_bad_element_is_named() {
    let mut settings = Settings::from_pairs([("PORTS", " 80, ,443,"), ("BAD", "1,two,three")]);
    assert_eq!(settings.list_of::<u16>("PORTS", "a port"), [80, 443]);
    assert_eq!(settings.list("UNSET"), [""; 0]);
    assert_eq!(settings.list_of::<u16>("BAD", "a port"), [0; 0]);
    assert_eq!(
        settings.errors(),
        [r#"BAD="1,two,three": "two": expected a port"#]
    );
}

#[test]
fn the_programs_defaults_count_behind_the_environment_and_are_shown_as_its_own() {
    let mut settings = Settings::from_pairs([("DRAIN_DELAY", "1s")]);
    settings.default_setting("BUFFER_MEMORY", "1GiB");
    settings.default_setting("MAX_BODY_BYTES", "300MiB");
    settings.default_setting("DRAIN_DELAY", "9s");
    settings.default_setting("HEAD_TIMEOUT", "soon");
    let config = Config::from_settings(&mut settings, &Limits::read());
    assert_eq!(config.max_body_bytes, 300 << 20);
    assert_eq!(config.drain_delay, Duration::from_secs(1));
    let mut entries = settings.entries().iter();
    let shown = entries
        .find(|entry| entry.name == "MAX_BODY_BYTES")
        .unwrap();
    assert_eq!(shown.to_string(), "the program's default");
    let errors = settings.errors();
    assert!(
        errors[0].starts_with(r#"HEAD_TIMEOUT="soon" (the program's default): expected"#),
        "{errors:?}"
    );
}

#[test]
fn what_is_read_leniently_keeps_no_service_from_starting_and_config_says_what_became_of_it() {
    let given = [("RATE", "fast"), ("SIZE", "5"), ("PORT", "high")];
    let mut settings = Settings::from_pairs(given);
    settings.number("PORT", 80, 1..=100);
    let (read, warnings) = settings.leniently(|settings| {
        let rate = settings.number("RATE", 7, 1..=10);
        (rate, settings.number("SIZE", 1, 1..=10))
    });
    assert_eq!(read, (7, 5));
    let expected = r#"RATE="fast": expected a whole number from 1 to 10"#;
    assert_eq!(warnings, [expected]);
    assert_eq!(settings.errors().len(), 1, "that of PORT is one");
    let shown: Vec<String> = settings.entries().iter().map(ToString::to_string).collect();
    let note = "environment: it cannot be used, and counts as unset";
    assert_eq!(shown, ["environment", note, "environment"]);
}
