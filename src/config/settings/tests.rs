use super::{values::parse_duration, *};
use std::os::unix::ffi::OsStringExt;

const SECOND: Duration = Duration::from_secs(1);

mod files;
pub(crate) mod mounted;

#[test]
fn durations_are_read_in_every_documented_form() {
    let forms = [
        ("0", 0),
        ("0s", 0),
        ("250ms", 250),
        ("5s", 5_000),
        ("1m", 60_000),
        ("2h", 7_200_000),
        ("007s", 7_000),
    ];
    for (text, milliseconds) in forms {
        assert_eq!(
            parse_duration(text),
            Some(Duration::from_millis(milliseconds)),
            "{text}"
        );
    }
    for text in [
        "", "5", "-5s", "+5s", "5 s", " 5s", "5s ", "0.5s", "1d", "5us", "s", "5S", "1m30s", "٥s",
        "1e3s",
    ] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn a_duration_too_long_for_the_clock_is_refused_rather_than_overflowing() {
    for text in [
        "18446744073709551615m",
        "18446744073709551615s",
        "18446744073709551616s",
        "525601m",
    ] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
    let longest = parse_duration("525600m").unwrap();
    assert!(std::time::Instant::now().checked_add(longest).is_some());
}

#[test]
fn sizes_are_read_in_every_documented_form() {
    let forms = [
        ("0", 0),
        ("65536", 65536),
        ("64Ki", 65536),
        ("64KiB", 65536),
        ("1Mi", 1 << 20),
        ("1MiB", 1 << 20),
        ("1Gi", 1 << 30),
        ("1GiB", 1 << 30),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, bytes) in forms {
        assert_eq!(parse_size(text), Some(bytes), "{text}");
    }
    let bad = [
        "",
        "-1",
        "+1",
        "1K",
        "1k",
        "1KB",
        "1M",
        "1.5Mi",
        "1 Ki",
        "18446744073709551615Ki",
        "18446744073709551616",
    ];
    for text in bad {
        assert_eq!(parse_size(text), None, "{text}");
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same_value() {
    for milliseconds in [0, 1, 250, 1_000, 1_500, 60_000, 61_000, 75_000, 86_400_000] {
        let duration = Duration::from_millis(milliseconds);
        assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
    }
    for bytes in [
        0,
        1,
        1023,
        1024,
        65536,
        1 << 20,
        (1 << 20) + 1024,
        1 << 30,
        u64::MAX,
    ] {
        assert_eq!(parse_size(&show_size(bytes)), Some(bytes));
    }
}

#[test]
fn every_bad_setting_is_reported_with_its_name_its_value_and_what_would_be_right() {
    let mut settings = Settings::from_pairs([
        ("PORT", "http"),
        ("LEVEL", "loud"),
        ("BODY", "-1"),
        ("WAIT", "soon"),
        ("DEMO", "yes"),
        ("SHARE", "half"),
        ("GOOD", "7"),
    ]);
    assert_eq!(settings.number("PORT", 8080, 0..=65535), 8080);
    assert_eq!(
        settings.choice("LEVEL", 1, &[("off", 0), ("info", 1), ("debug", 2)]),
        1
    );
    assert_eq!(settings.size("BODY", 5), 5);
    assert_eq!(settings.duration("WAIT", SECOND), SECOND);
    assert!(!settings.flag("DEMO", false));
    assert_eq!(settings.parse("SHARE", 0.5, "a decimal number"), 0.5);
    assert_eq!(settings.number("GOOD", 1, 0..=9), 7);
    let expected = [
        r#"PORT="http": expected a whole number from 0 to 65535"#,
        r#"LEVEL="loud": expected off, info or debug"#,
        r#"BODY="-1": expected a size such as 65536, 64KiB or 1MiB"#,
        r#"WAIT="soon": expected a duration such as 250ms, 5s or 1m"#,
        r#"DEMO="yes": expected true or false"#,
        r#"SHARE="half": expected a decimal number"#,
    ];
    assert_eq!(settings.errors(), expected);
    let error = settings.finish().unwrap_err();
    assert_eq!(error.to_string(), expected.join("\n"));
    assert_eq!(error.lines(), expected);
}

#[test]
fn a_value_out_of_range_is_told_the_range() {
    let mut settings = Settings::from_pairs([
        ("A", "0"),
        ("B", "2h"),
        ("C", "1"),
        ("D", "61s"),
        ("E", "99"),
    ]);
    settings.number("A", 1, 1..=9);
    settings.duration_within("B", SECOND, SECOND..=SECOND * 60);
    settings.size_within("C", 1024, 1024..=1 << 20);
    settings.optional_duration("D", SECOND..=SECOND * 60);
    settings.optional_number("E", 0..=9);
    let expected = [
        r#"A="0": expected a whole number from 1 to 9"#,
        r#"B="2h": expected a duration such as 250ms, 5s or 1m, from 1s to 1m"#,
        r#"C="1": expected a size such as 65536, 64KiB or 1MiB, from 1KiB to 1MiB"#,
        r#"D="61s": expected a duration such as 250ms, 5s or 1m, from 1s to 1m"#,
        r#"E="99": expected a whole number from 0 to 9"#,
    ];
    assert_eq!(settings.errors(), expected);
}

#[test]
fn a_value_that_is_not_utf8_is_an_error() {
    let garbage = |name: &str| (name.to_owned(), OsString::from_vec(b"hunter2\xff".to_vec()));
    let mut settings = Settings::from(Environment::Injected(vec![garbage("A"), garbage("B")]));
    settings.text("A", "");
    settings.secret("B");
    settings.text("B", "");
    assert_eq!(
        settings.errors(),
        ["A=\"hunter2\u{fffd}\": not UTF-8", "B: not UTF-8"]
    );
}

#[test]
fn a_rule_of_the_callers_own_is_reported_beside_the_value() {
    let mut settings = Settings::from_pairs([("UPSTREAM", "http:///x")]);
    settings.text("UPSTREAM", "");
    settings.text("OTHER", "fallback");
    settings.reject("UPSTREAM", "no host");
    settings.reject("UPSTREAM", "no host");
    settings.reject("OTHER", "not now");
    settings.reject("NEVER_READ", "missing");
    let expected = [
        r#"UPSTREAM="http:///x": no host"#,
        r#"OTHER="fallback" (default): not now"#,
        "NEVER_READ: missing",
    ];
    assert_eq!(settings.errors(), expected);
    assert!(settings.is_bad("UPSTREAM") && !settings.is_bad("FINE"));
}

#[test]
fn a_long_or_many_lined_value_stays_a_short_line_in_the_error() {
    let long = "é".repeat(10_000);
    let mut settings = Settings::from_pairs([("A", long.as_str()), ("B", "1\n2\u{1b}[31m")]);
    settings.number("A", 0, 0..=9);
    settings.number("B", 0, 0..=9);
    let errors = settings.errors();
    assert!(
        errors[0].chars().count() < 200 && errors[0].contains("é\"…: expected"),
        "{}",
        errors[0]
    );
    assert_eq!(
        errors[1],
        r#"B="1\n2\u{1b}[31m": expected a whole number from 0 to 9"#
    );
}

#[test]
fn words_may_be_in_upper_case() {
    let mut settings = Settings::from_pairs([("LEVEL", "INFO"), ("DEMO", "True")]);
    assert_eq!(settings.choice("LEVEL", 0, &[("off", 0), ("info", 1)]), 1);
    assert!(settings.flag("DEMO", false));
    assert!(settings.finish().is_ok());
}

#[test]
fn a_later_pair_overrides_an_earlier_one() {
    let mut settings = Settings::from_pairs([("A", "1"), ("A", "2")]);
    assert_eq!(settings.number("A", 0, 0..=9), 2);
}

#[test]
fn the_process_environment_is_read() {
    let mut settings = Settings::from_env();
    assert_eq!(settings.optional("PATH"), std::env::var("PATH").ok());
    assert_eq!(settings.optional("SEAWORTHY_TEST_NEVER_SET"), None);
}
