use super::*;

const LIMITS: Limits = limits(2, Some(0.5), Some(64 << 20), Some(1 << 20));

const fn limits(
    cpus: usize,
    quota: Option<f64>,
    memory: Option<u64>,
    descriptors: Option<u64>,
) -> Limits {
    Limits {
        cpus,
        cpu_quota: quota,
        memory_limit: memory,
        descriptor_limit: descriptors,
    }
}

fn read(pairs: &[(&str, &str)], limits: &Limits) -> (Config, Settings) {
    let mut settings = Settings::from_pairs(pairs.iter().copied());
    let config = Config::from_settings(&mut settings, limits);
    (config, settings)
}

fn errors(pairs: &[(&str, &str)]) -> Vec<String> {
    read(pairs, &LIMITS)
        .1
        .errors()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// What `seaworthy config` tells of one setting.
fn source(settings: &Settings, name: &str) -> String {
    let mut entries = settings.entries().iter();
    let entry = entries.find(|entry| entry.name == name).unwrap();
    format!("{name}={} # {entry}", entry.shown)
}

#[test]
fn the_defaults_are_those_of_the_readme() {
    let (config, settings) = read(&[], &LIMITS);
    assert_eq!(settings.errors(), [""; 0]);
    assert_eq!(
        (config.host, config.port, config.admin_port),
        (None, 8080, None)
    );
    assert_eq!(
        (config.log_level, config.access_log),
        (LevelFilter::Info, AccessLog::Errors)
    );
    assert_eq!(config.http_engine, HttpEngine::DEFAULT);
    assert_eq!((config.workers, config.queue_capacity), (32, 2048));
    assert_eq!(config.queue_timeout, Duration::from_secs(10));
    assert_eq!(
        (config.max_connections, config.buffer_memory),
        (10_000, 16 << 20)
    );
    assert_eq!(config.min_body_rate, 240);
    assert_eq!(
        (config.max_head_bytes, config.max_body_bytes),
        (32 << 10, 1 << 20)
    );
    assert_eq!(config.max_headers, 100);
    let timeouts = [
        config.head_timeout,
        config.body_timeout,
        config.write_timeout,
        config.keep_alive_timeout,
    ];
    assert_eq!(timeouts.map(|timeout| timeout.as_secs()), [10, 30, 30, 75]);
    assert_eq!(
        (
            config.drain_delay.as_secs(),
            config.shutdown_timeout.as_secs()
        ),
        (5, 20)
    );
    assert_eq!(config.termination_grace_period, None);
    assert_eq!(
        (config.trusted_proxies.len(), config.request_timeout),
        (0, None)
    );
    assert_eq!(
        (config.max_connection_age, config.max_connection_requests),
        (None, None)
    );
}

#[test]
fn every_setting_can_be_given() {
    let pairs = [
        ("HOST", "::1"),
        ("PORT", "0"),
        ("ADMIN_PORT", "0"),
        // Which is how it is shown, whatever it is.
        ("ADMIN_TOKEN", "[redacted]"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,::1"),
        ("LOG_LEVEL", "trace"),
        ("LOG_FORMAT", "text"),
        ("ACCESS_LOG", "all"),
        ("HTTP_ENGINE", "native"),
        ("WORKERS", "1"),
        ("REACTORS", "64"),
        ("QUEUE_CAPACITY", "0"),
        ("QUEUE_TIMEOUT", "1ms"),
        ("MAX_CONNECTIONS", "1"),
        ("BUFFER_MEMORY", "64KiB"),
        ("MIN_BODY_RATE", "1KiB"),
        ("MAX_HEAD_BYTES", "1KiB"),
        ("MAX_HEADERS", "1000"),
        ("MAX_BODY_BYTES", "0"),
        ("HEAD_TIMEOUT", "1s"),
        ("BODY_TIMEOUT", "2s"),
        ("WRITE_TIMEOUT", "3s"),
        ("KEEP_ALIVE_TIMEOUT", "4s"),
        ("MAX_CONNECTION_AGE", "5m"),
        ("MAX_CONNECTION_REQUESTS", "1"),
        ("REQUEST_TIMEOUT", "5s"),
        ("DRAIN_DELAY", "0"),
        ("SHUTDOWN_TIMEOUT", "0"),
        ("TERMINATION_GRACE_PERIOD", "2s"),
        ("CONFIG_DIR", "/"),
    ];
    let (config, settings) = read(&pairs, &LIMITS);
    assert_eq!(settings.errors(), [""; 0]);
    assert_eq!(settings.entries().len(), pairs.len());
    for ((name, value), entry) in pairs.iter().zip(settings.entries()) {
        assert_eq!(
            (*name, *value, "environment"),
            (entry.name, entry.shown.as_str(), entry.to_string().as_str())
        );
    }
    assert_eq!(
        (config.host, config.port, config.admin_port),
        (Some([0, 0, 0, 0, 0, 0, 0, 1u16].into()), 0, Some(0))
    );
    assert_eq!(
        (config.log_format, config.http_engine),
        (LogFormat::Text, HttpEngine::Native)
    );
    assert_eq!(config.min_body_rate, 1024);
    assert_eq!(
        (
            config.workers,
            config.queue_capacity,
            config.max_connections
        ),
        (1, 0, 1)
    );
    assert_eq!(config.max_headers, 1000);
    assert_eq!(
        (config.max_connection_age, config.max_connection_requests),
        (Some(Duration::from_secs(300)), Some(1))
    );
    assert_eq!(
        config.termination_grace_period,
        Some(Duration::from_secs(2))
    );
}

#[test]
fn three_bad_settings_are_three_errors() {
    let expected = [
        r#"PORT="http": expected a whole number from 0 to 65535"#,
        r#"LOG_LEVEL="loud": expected off, error, warn, info, debug or trace"#,
        r#"MAX_BODY_BYTES="-1": expected a size such as 65536, 64KiB or 1MiB, from 0 to 1024GiB"#,
    ];
    let pairs = [
        ("PORT", "http"),
        ("LOG_LEVEL", "loud"),
        ("MAX_BODY_BYTES", "-1"),
    ];
    assert_eq!(errors(&pairs), expected);
    assert_eq!(Config::from_pairs(pairs).unwrap_err().lines(), expected);
}

#[test]
fn what_could_not_work_is_refused_at_start() {
    let bad = [
        ("HOST", "localhost"),
        ("PORT", "65536"),
        ("PORT", "+80"),
        ("ADMIN_PORT", "tcp://10.0.0.1:80"),
        ("HTTP_ENGINE", "tokio"),
        ("WORKERS", "0"),
        ("WORKERS", "1025"),
        ("REACTORS", "0"),
        ("REACTORS", "65"),
        ("QUEUE_TIMEOUT", "0"),
        ("MAX_CONNECTIONS", "0"),
        ("BUFFER_MEMORY", "1"),
        ("MIN_BODY_RATE", "2GiB"),
        ("MAX_HEAD_BYTES", "1023"),
        ("MAX_HEAD_BYTES", "2MiB"),
        ("MAX_HEADERS", "3"),
        ("MAX_HEADERS", "1001"),
        ("HEAD_TIMEOUT", "0"),
        ("BODY_TIMEOUT", "0s"),
        ("WRITE_TIMEOUT", "0ms"),
        ("KEEP_ALIVE_TIMEOUT", "1441m"),
        ("DRAIN_DELAY", "5"),
        ("TERMINATION_GRACE_PERIOD", "30"),
    ];
    for (name, value) in bad {
        let found = errors(&[(name, value)]);
        assert_eq!(found.len(), 1, "{name}={value}: {found:?}");
        assert!(
            found[0].starts_with(&format!("{name}={value:?}: expected ")),
            "{found:?}"
        );
    }
}

#[test]
fn a_port_that_kubernetes_set_for_a_service_is_told_apart() {
    let found = errors(&[("ADMIN_PORT", "tcp://10.0.0.1:80")]);
    assert!(found[0].ends_with("enableServiceLinks: false"), "{found:?}");
    assert!(!errors(&[("ADMIN_PORT", "x")])[0].contains("enableServiceLinks"));
}

#[test]
fn one_port_for_both_is_refused_but_two_free_ones_are_not() {
    let expected = r#"ADMIN_PORT="8080": the same as PORT: expected another port, or none"#;
    assert_eq!(errors(&[("ADMIN_PORT", "8080")]), [expected]);
    assert_eq!(errors(&[("PORT", "0"), ("ADMIN_PORT", "0")]), [""; 0]);
    // PORT fell back to 8080 because it is bad: that is not ADMIN_PORT's fault.
    assert_eq!(errors(&[("PORT", "x"), ("ADMIN_PORT", "8080")]).len(), 1);
}

#[test]
fn a_drain_that_does_not_fit_the_grace_period_is_refused_naming_all_three() {
    assert_eq!(errors(&[("TERMINATION_GRACE_PERIOD", "27s")]), [""; 0]);
    let expected = "TERMINATION_GRACE_PERIOD=\"26s\": too short for DRAIN_DELAY 5s and SHUTDOWN_TIMEOUT 20s and a \
                    margin of 2s: expected at least 27s";
    assert_eq!(errors(&[("TERMINATION_GRACE_PERIOD", "26s")]), [expected]);
    assert_eq!(
        errors(&[("TERMINATION_GRACE_PERIOD", "30s"), ("DRAIN_DELAY", "15s")]).len(),
        1
    );
    // With a bad delay it cannot be told whether the period is long enough.
    assert_eq!(
        errors(&[("TERMINATION_GRACE_PERIOD", "26s"), ("DRAIN_DELAY", "x")]).len(),
        1
    );
}

#[test]
fn workers_follow_the_quota_and_say_so() {
    let cases = [
        (
            limits(2, Some(0.5), None, None),
            "WORKERS=32 # default: 32 × 0.5 CPU quota, rounded up",
        ),
        (
            limits(8, Some(1.25), None, None),
            "WORKERS=64 # default: 32 × 1.25 CPU quota, rounded up",
        ),
        (
            limits(8, None, None, None),
            "WORKERS=256 # default: 32 × 8 CPUs, without a quota",
        ),
        (
            limits(2, Some(3.0), None, None),
            "WORKERS=64 # default: 32 × 2 CPUs, fewer than the quota of 3",
        ),
        (
            limits(257, None, None, None),
            "WORKERS=1024 # default: 32 × 257 CPUs, without a quota, at most 1024",
        ),
    ];
    for (limits, expected) in cases {
        let (config, settings) = read(&[], &limits);
        assert_eq!(source(&settings, "WORKERS"), expected);
        assert_eq!(config.queue_capacity, 64 * config.workers);
    }
    let (config, settings) = read(&[("WORKERS", "3")], &LIMITS);
    assert_eq!((config.workers, config.queue_capacity), (3, 192));
    assert_eq!(source(&settings, "WORKERS"), "WORKERS=3 # environment");
    assert_eq!(
        source(&settings, "QUEUE_CAPACITY"),
        "QUEUE_CAPACITY=192 # default: 64 × WORKERS"
    );
}

#[test]
fn there_is_a_reactor_for_each_two_cpus_and_fewer_connections_where_descriptors_are_short() {
    let reactors = |cpus, quota| {
        let (config, settings) = read(&[], &limits(cpus, quota, None, Some(100)));
        (
            config.reactors,
            config.max_connections,
            source(&settings, "REACTORS"),
        )
    };
    for (cpus, quota) in [(1, None), (2, None), (16, Some(0.5)), (16, Some(2.0))] {
        assert_eq!(reactors(cpus, quota).0, 1, "{cpus} {quota:?}");
    }
    assert_eq!(
        (reactors(16, Some(2.5)).0, reactors(4, Some(9.0)).0),
        (2, 2)
    );
    assert_eq!((reactors(16, None).0, reactors(64, None).0), (8, 8));
    let (_, connections, shown) = reactors(5, None);
    assert_eq!(
        shown,
        "REACTORS=3 # default: 5 CPUs ÷ 2, rounded up, at most 8"
    );
    assert_eq!(connections, 100 - 32 - 2 * 4);
}

#[test]
fn connections_fit_the_memory_and_the_descriptors() {
    let limits = |memory, descriptors| limits(1, None, memory, Some(descriptors));
    let shown = |pairs: &[(&str, &str)], limits| {
        let (config, settings) = read(pairs, &limits);
        let shown = source(&settings, "MAX_CONNECTIONS");
        assert!(
            shown.starts_with(&format!("MAX_CONNECTIONS={} ", config.max_connections)),
            "{shown}"
        );
        shown
    };
    let given = [("MAX_CONNECTIONS", "5000")];
    assert_eq!(
        shown(&[], limits(Some(6 << 20), 1 << 20)),
        "MAX_CONNECTIONS=1024 # default: memory limit 6MiB ÷ 6KiB"
    );
    assert_eq!(
        shown(&[], limits(None, 1 << 20)),
        "MAX_CONNECTIONS=10000 # default: at most 10000"
    );
    assert_eq!(
        shown(&[], limits(None, 1024)),
        "MAX_CONNECTIONS=992 # default: lowered from 10000: descriptor limit 1024 less 32"
    );
    assert_eq!(
        shown(&given, limits(None, 1024)),
        "MAX_CONNECTIONS=992 # environment: lowered from 5000: descriptor limit 1024 less 32"
    );
    assert_eq!(
        shown(&given, limits(Some(6 << 20), 1 << 20)),
        "MAX_CONNECTIONS=5000 # environment"
    );
    assert_eq!(read(&[], &limits(Some(0), 0)).0.max_connections, 1);
}

#[test]
fn buffers_take_a_quarter_of_the_memory() {
    let buffer = |memory| read(&[], &limits(1, None, memory, None)).0.buffer_memory;
    assert_eq!(buffer(None), 256 << 20);
    assert_eq!(buffer(Some(64 << 20)), 16 << 20);
    assert_eq!(buffer(Some(1)), 64 << 10);
}

#[test]
fn a_body_is_never_larger_than_what_requests_may_hold_together() {
    let pairs = [("BUFFER_MEMORY", "10MiB"), ("MAX_BODY_BYTES", "6MiB")];
    let (config, settings) = read(&pairs, &LIMITS);
    assert_eq!(config.max_body_bytes, 5 << 20);
    assert_eq!(
        source(&settings, "MAX_BODY_BYTES"),
        "MAX_BODY_BYTES=5MiB # environment: lowered from 6MiB: half of BUFFER_MEMORY"
    );
    let (config, settings) = read(&pairs[..1], &LIMITS);
    assert_eq!(config.max_body_bytes, 1 << 20);
    assert_eq!(
        source(&settings, "MAX_BODY_BYTES"),
        "MAX_BODY_BYTES=1MiB # default"
    );
}

#[test]
fn the_default_configuration_has_no_errors_on_this_machine() {
    let config = Config::default();
    assert!(config.workers >= 2 && config.max_connections >= 1);
    assert!(Config::from_pairs([]).is_ok());
}
