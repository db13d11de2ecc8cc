use super::*;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn durations_are_read_in_every_documented_form() {
    let forms = [
        ("0", 0),
        ("0s", 0),
        ("250ms", 250),
        ("5s", 5_000),
        ("1m", 60_000),
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
        "", "5", "-5s", "+5s", "5 s", " 5s", "5s ", "0.5s", "1h", "5us", "s", "5S", "1m30s", "٥s",
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
fn an_empty_value_counts_as_unset() {
    let empty = Scratch::new("empty", b"");
    let newline = Scratch::new("newline", b"\n");
    let mut settings = Settings::from_pairs([
        ("A", ""),
        ("B", ""),
        ("C", ""),
        ("D", ""),
        ("D_FILE", ""),
        ("E_FILE", empty.path()),
        ("F_FILE", newline.path()),
        ("G_FILE", empty.path()),
    ]);
    assert_eq!(settings.number("A", 3, 0..=9), 3);
    assert_eq!(settings.optional("B"), None);
    assert_eq!(settings.secret("C"), None);
    assert_eq!(settings.duration("D", SECOND), SECOND);
    assert_eq!(settings.text("E", "fallback"), "fallback");
    assert!(settings.flag("F", true));
    assert_eq!(settings.secret("G"), None);
    assert!(settings.finish().is_ok());
    assert!(
        settings
            .entries()
            .iter()
            .all(|entry| matches!(entry.source, Source::Default))
    );
}

#[test]
fn a_mounted_file_gives_the_value_without_its_one_trailing_newline() {
    let texts: [(&[u8], &str); 5] = [
        (b"8081", "8081"),
        (b"8081\n", "8081"),
        (b"8081\r\n", "8081"),
        (b"a\n\n", "a\n"),
        (b"a\r", "a\r"),
    ];
    for (index, (bytes, text)) in texts.into_iter().enumerate() {
        let file = Scratch::new(&format!("trim{index}"), bytes);
        let mut settings = Settings::from_pairs([("NAME_FILE", file.path()), ("NAME", "")]);
        assert_eq!(settings.optional("NAME").as_deref(), Some(text));
        assert_eq!(
            settings.entries()[0].to_string(),
            format!("file {}", file.path())
        );
    }
}

#[test]
fn a_bad_value_in_a_file_is_reported_with_the_path() {
    let file = Scratch::new("bad", b"http\n");
    let mut settings = Settings::from_pairs([("PORT_FILE", file.path())]);
    settings.number("PORT", 1, 0..=65535);
    let line = format!(
        r#"PORT="http" in {}: expected a whole number from 0 to 65535"#,
        file.path()
    );
    assert_eq!(settings.errors(), [line]);
}

#[test]
fn a_name_given_twice_is_an_error_rather_than_a_surprise() {
    let file = Scratch::new("both", b"1");
    let mut settings = Settings::from_pairs([
        ("A", "1"),
        ("A_FILE", file.path()),
        ("B", "hunter2"),
        ("B_FILE", "/hunter2"),
    ]);
    assert_eq!(settings.number("A", 5, 0..=9), 5);
    assert_eq!(settings.secret("B"), None);
    let expected = [
        "A and A_FILE are both given: expected one of them",
        "B and B_FILE are both given: expected one of them",
    ];
    assert_eq!(settings.errors(), expected);
}

#[test]
fn a_file_that_cannot_be_taken_is_an_error_with_variable_and_path() {
    let binary = Scratch::new("binary", b"\xff\xfe");
    let huge = Scratch::new("huge", &vec![b'x'; (1 << 20) + 1]);
    let largest = Scratch::new("largest", &vec![b'x'; 1 << 20]);
    let mut settings = Settings::from_pairs([
        ("A_FILE", "/nonexistent/a"),
        ("B_FILE", "/"),
        ("C_FILE", binary.path()),
        ("D_FILE", huge.path()),
        ("E_FILE", "/dev/zero"),
        ("F_FILE", largest.path()),
    ]);
    for name in ["A", "B", "C", "D", "E"] {
        assert_eq!(settings.optional(name), None);
    }
    assert_eq!(settings.text("F", "").len(), 1 << 20);
    let errors = settings.errors();
    assert_eq!(errors.len(), 5);
    assert!(
        errors[0].starts_with(r#"A_FILE="/nonexistent/a": cannot be used: No such file"#),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].starts_with(r#"B_FILE="/": cannot be used: Is a directory"#),
        "{}",
        errors[1]
    );
    assert_eq!(
        errors[2],
        format!(
            "C_FILE={:?}: cannot be used: the file is not UTF-8",
            binary.path()
        )
    );
    assert_eq!(
        errors[3],
        format!(
            "D_FILE={:?}: cannot be used: the file is larger than 1MiB",
            huge.path()
        )
    );
    assert_eq!(
        errors[4],
        r#"E_FILE="/dev/zero": cannot be used: it is no regular file"#
    );
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
fn a_secret_appears_nowhere_but_in_expose() {
    let file = Scratch::new("secret", b"hunter2-from-file\n");
    let mut settings = Settings::from_pairs([
        ("URL", "postgres://u:hunter2@db/"),
        ("KEY_FILE", file.path()),
        // The value itself, put into the variable that wants a path.
        ("MISTAKE_FILE", "postgres://u:hunter2@db/"),
        ("WORD_FILE", "hunter2"),
        ("GONE_FILE", "/run/secrets/gone"),
    ]);
    let url = settings.secret("URL").unwrap();
    let key = settings.secret("KEY").unwrap();
    for name in ["MISTAKE", "WORD", "GONE"] {
        assert_eq!(settings.secret(name), None);
    }
    settings.reject("URL", "expected a URL with a host");
    settings.reject("KEY", "too short");
    // Reading it again as a plain text must not bring it to light either.
    settings.text("URL", "");
    settings.number("URL", 0, 0..=9);
    assert_eq!(
        (url.expose(), key.expose()),
        ("postgres://u:hunter2@db/", "hunter2-from-file")
    );
    let mut shown = format!("{url} {url:?} {key:?} {:?}\n", settings.finish());
    for entry in settings.entries() {
        shown += &format!("{}={} {entry}\n", entry.name, entry.shown);
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    let errors = settings.errors();
    assert_eq!(
        errors[0],
        r#"MISTAKE_FILE=[redacted, not an absolute path]: cannot be used: No such file or directory (os error 2)"#
    );
    assert!(
        errors[2].starts_with(r#"GONE_FILE="/run/secrets/gone": cannot be used: No such file"#),
        "{}",
        errors[2]
    );
    assert_eq!(errors[3], "URL: expected a URL with a host");
    assert_eq!(errors[4], "KEY: too short");
    assert_eq!(errors[5], "URL: expected a whole number from 0 to 9");
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

/// A file of this test alone, removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("seaworthy-settings-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Scratch(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
