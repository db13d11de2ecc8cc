//! Values from mounted files.

use super::*;
use std::path::PathBuf;

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
fn a_variable_is_trimmed_of_one_newline_as_a_file_is() {
    let texts = [
        ("8081\n", Some("8081")),
        ("8081\r\n", Some("8081")),
        ("a\n\n", Some("a\n")),
        ("a\r", Some("a\r")),
        ("\na", Some("\na")),
        ("\n", None),
        ("\r\n", None),
    ];
    for (value, text) in texts {
        let mut settings = Settings::from_pairs([("NAME", value), ("SECRET", value)]);
        assert_eq!(settings.optional("NAME").as_deref(), text, "{value:?}");
        let secret = settings.secret("SECRET");
        let secret = secret.as_ref().map(Secret::expose);
        assert_eq!(secret, text, "{value:?} as a secret");
    }
    // Every kind of setting comes the same way, and so does the path of a file.
    let file = Scratch::new("variable", b"90s\n");
    let path = format!("{}\n", file.path());
    let mut settings = Settings::from_pairs([
        ("PORT", "8081\n"),
        ("DEMO", "true\r\n"),
        ("TTL", "\n"),
        ("TTL_FILE", path.as_str()),
    ]);
    assert_eq!(settings.number("PORT", 1, 0..=65535), 8081);
    assert!(settings.flag("DEMO", false));
    assert_eq!(settings.duration("TTL", SECOND), 90 * SECOND);
    assert!(settings.finish().is_ok(), "{:?}", settings.errors());
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
