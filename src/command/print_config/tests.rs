use super::*;
use crate::config::{limits::Limits, table::Config};
use std::time::Duration;

#[test]
fn the_printed_configuration_is_aligned_and_keeps_secrets() {
    let pairs = [
        ("HOST", "127.0.0.1"),
        ("DATABASE_URL", "redis://:hunter2@cache/"),
        ("MOTTO", "two\nlines"),
    ];
    let mut settings = Settings::from_pairs(pairs);
    Config::from_settings(&mut settings, &Limits::read());
    settings.secret("DATABASE_URL");
    settings.duration("STARTUP_DELAY", Duration::ZERO);
    settings.text("MOTTO", "");
    settings.text("LONG", &"x".repeat(500));
    let mut printed = Vec::new();
    print(&settings, &mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 30 + 4);
    assert_eq!(lines[0], "HOST=127.0.0.1             # environment");
    assert_eq!(lines[1], "PORT=8080                  # default");
    assert_eq!(lines[2], "ADMIN_PORT=                # unset");
    assert!(
        lines.contains(&"DATABASE_URL=[redacted]    # environment"),
        "{printed}"
    );
    assert!(
        lines.contains(&"STARTUP_DELAY=0s           # default"),
        "{printed}"
    );
    assert!(
        lines.contains(&r#"MOTTO="two\nlines"         # environment"#),
        "{printed}"
    );
    assert!(!printed.contains("hunter2"));
}
