//! What the commands print.

use crate::configuration::{Files, line_with, serve};
use crate::support::Command;

#[test]
fn config_prints_every_setting_and_where_it_comes_from() {
    let files = Files::new();
    let file = files.with("drain", "3s\n");
    let output = Command::new(&["config"])
        .set("PORT", "9999")
        .set("DRAIN_DELAY_FILE", &file)
        .set("LOG_LEVEL", "")
        .run()
        .expect(0);
    let names = "HOST PORT ADMIN_PORT TRUSTED_PROXIES LOG_LEVEL LOG_FORMAT ACCESS_LOG HTTP_ENGINE WORKERS QUEUE_CAPACITY QUEUE_TIMEOUT \
                 MAX_CONNECTIONS BUFFER_MEMORY MAX_HEAD_BYTES MAX_HEADERS MAX_BODY_BYTES HEAD_TIMEOUT BODY_TIMEOUT \
                 WRITE_TIMEOUT KEEP_ALIVE_TIMEOUT REQUEST_TIMEOUT DRAIN_DELAY SHUTDOWN_TIMEOUT TERMINATION_GRACE_PERIOD DATABASE_URL \
                 STARTUP_DELAY DEMO_ENDPOINTS";
    for name in names.split_whitespace() {
        line_with(&output, name);
    }
    assert!(line_with(&output, "PORT").contains("9999"));
    let from_file = line_with(&output, "DRAIN_DELAY");
    assert!(
        from_file.contains("3s") && from_file.contains(&file),
        "{from_file}"
    );
    // Three sources, three words for them.
    let source = |name| {
        let line: String = line_with(&output, name).to_lowercase();
        ["default", "environment", "file"]
            .into_iter()
            .find(|word| line.contains(word))
    };
    assert_eq!(source("PORT"), Some("environment"));
    assert_eq!(source("DRAIN_DELAY"), Some("file"));
    assert_eq!(source("SHUTDOWN_TIMEOUT"), Some("default"));
    assert_eq!(
        source("LOG_LEVEL"),
        Some("default"),
        "an empty value counts as unset"
    );
}

#[test]
fn no_command_and_no_error_prints_a_secret() {
    let files = Files::new();
    let secret = "hunter2";
    let good = "postgres://app:hunter2@db.example:5432/orders";
    let output = Command::new(&["config"])
        .set("DATABASE_URL", good)
        .run()
        .expect(0);
    line_with(&output, "DATABASE_URL");
    assert!(!output.all().contains(secret), "{output:#?}");
    let output = Command::new(&["config"])
        .set("DATABASE_URL_FILE", files.with("url", good))
        .run()
        .expect(0);
    assert!(!output.all().contains(secret), "{output:#?}");

    let malformed = [
        "hunter2",
        "postgres//app:hunter2@db.example/orders",
        "postgres://app:hunter2@",
        "postgres://app:hunter2@db.example:port/orders",
        "postgres://app:hunter2@db example/orders",
        "postgres://app:hunter2@[::1/orders",
        "unheard-of://app:hunter2@db.example/orders",
        "postgres://app:hunter2",
        // None of these may be taken for another host than db.example.
        "postgres://app:hunter2#1@db.example/orders",
        "postgres://app:1#hunter2@db.example/orders",
        "postgres://app:1/hunter2@db.example/orders",
        "postgres://app:1?hunter2@db.example/orders",
        "postgres://app:hunter2@home@db.example/orders",
        r"postgres://app:hunter2\@db.example/orders",
    ];
    for url in malformed {
        for command in [&["config"][..], &["serve"], &["probe"]] {
            let output = Command::new(command)
                .set("DATABASE_URL", url)
                .set("HOST", "127.0.0.1")
                .set("PORT", "1")
                .run();
            assert!(!output.all().contains(secret), "{url}: {output:#?}");
            if command != ["probe"] {
                assert_eq!(output.code, Some(78), "{url}: {output:#?}");
                line_with(&output, "DATABASE_URL");
            }
        }
        let file = files.with("url", url);
        let output = Command::new(&["config"])
            .set("DATABASE_URL_FILE", file)
            .run()
            .expect(78);
        assert!(!output.all().contains(secret), "{url}: {output:#?}");
    }
    let both = serve()
        .set("DATABASE_URL", good)
        .set("DATABASE_URL_FILE", files.with("url", good))
        .run()
        .expect(78);
    assert!(!both.all().contains(secret), "{both:#?}");
}

#[test]
fn an_unknown_word_ends_with_64_and_one_line() {
    for words in [
        &["sevre"][..],
        &["--unheard-of"],
        &["serve", "now"],
        &["config", "please"],
        &["probe", "alive"],
    ] {
        let output = Command::new(words).run().expect(64);
        assert_eq!(output.stderr.lines().count(), 1, "{words:?}: {output:#?}");
        assert_eq!(output.stdout, "", "{words:?}");
        assert!(
            output.stderr.contains(words.last().unwrap()),
            "the word is named: {output:#?}"
        );
    }
}

#[test]
fn help_and_version_answer_on_stdout() {
    let help = Command::new(&["--help"]).run().expect(0);
    for word in ["serve", "probe", "config"] {
        assert!(
            help.stdout.contains(word),
            "{word} is missing: {}",
            help.stdout
        );
    }
    let version = Command::new(&["--version"]).run().expect(0);
    assert!(
        version.stdout.contains(env!("CARGO_PKG_VERSION")),
        "{}",
        version.stdout
    );
    // Settings do not matter to someone who asks for help.
    Command::new(&["--help"])
        .set("PORT", "http")
        .run()
        .expect(0);
}
