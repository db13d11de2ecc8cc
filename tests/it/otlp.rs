//! What OpenTelemetry's variables do to a service, whatever they say.

use crate::support::{Command, Engine, Setup};

both_engines! {
    no_variable_of_opentelemetrys_keeps_a_service_from_starting,
}

fn no_variable_of_opentelemetrys_keeps_a_service_from_starting(engine: Engine) {
    let server = Setup::new(engine)
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318")
        .set("OTEL_EXPORTER_OTLP_HEADERS", "api-key:hunter2")
        .set("OTEL_TRACES_SAMPLER", "sometimes")
        .set("OTEL_BSP_MAX_QUEUE_SIZE", "none")
        .start()
        .ready();
    server.get("/").expect(200);
    let exit = server.stop().expect_clean();
    let named = |name: &str| {
        let records = exit.records.iter();
        let of_it = records.filter(|record| record["msg"].as_str().unwrap().contains(name));
        let levels: Vec<_> = of_it.map(|record| record["level"].clone()).collect();
        assert_eq!(levels, ["WARN"], "{name}: {exit:#?}");
    };
    named(r#"OTEL_EXPORTER_OTLP_ENDPOINT="https://collector:4318": expected a URL"#);
    named("OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE");
    named(r#"OTEL_TRACES_SAMPLER="sometimes": expected always_on"#);
    named(r#"OTEL_BSP_MAX_QUEUE_SIZE="none": expected a whole number"#);
    assert!(!exit.output().contains("hunter2"), "{exit:#?}");
}

#[test]
fn config_shows_what_became_of_a_variable_of_opentelemetrys() {
    let printed = Command::new(&["config"])
        .set("OTEL_TRACES_SAMPLER", "sometimes")
        .set("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2")
        .run();
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let shown = |assignment: &str, source: &str| {
        let mut lines = printed.stdout.lines();
        let is_it = |line: &str| line.starts_with(assignment) && line.ends_with(source);
        assert!(lines.any(is_it), "{assignment}: {printed:?}");
    };
    shown(
        "OTEL_TRACES_SAMPLER=sometimes ",
        "it cannot be used, and counts as unset",
    );
    shown("OTEL_EXPORTER_OTLP_HEADERS=[redacted] ", "# environment");
    shown("OTEL_BSP_MAX_QUEUE_SIZE=2048 ", "# default");
}
