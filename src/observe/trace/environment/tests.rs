mod bad;

use super::*;
use bad::BAD;

const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

fn read(pairs: &[(&str, &str)]) -> Environment {
    let mut settings = Settings::from_pairs(pairs.iter().copied());
    let environment = Environment::read(&mut settings);
    assert_eq!(settings.errors(), [""; 0], "the service does not start");
    environment
}

/// With a collector, and what is not to cost a warning.
fn exporting(pairs: &[(&str, &str)]) -> Exporting {
    let environment = read(&[&[COLLECTOR], pairs].concat());
    assert_eq!(environment.warnings, [""; 0], "{pairs:?}");
    environment.exporting.unwrap()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

#[test]
fn without_an_endpoint_there_are_no_traces_and_not_a_word() {
    for pairs in [
        &[][..],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")],
        &[COLLECTOR, ("OTEL_SDK_DISABLED", "true")],
        &[COLLECTOR, ("OTEL_SDK_DISABLED", "True")],
        &[COLLECTOR, ("OTEL_TRACES_EXPORTER", "none")],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ],
    ] {
        let environment = read(pairs);
        assert_eq!(environment.exporting, None, "{pairs:?}");
        assert_eq!(environment.warnings, [""; 0], "{pairs:?}");
        assert!(environment.propagates, "{pairs:?}");
    }
}

#[test]
fn an_endpoint_alone_has_everything_else_by_the_specification() {
    let environment = read(&[COLLECTOR]);
    assert_eq!(environment.sampling, Sampling::ParentBased(Rule::AlwaysOn));
    assert!(environment.propagates);
    let expected = Exporting {
        target: Target::parse("http://collector:4318/v1/traces").unwrap(),
        headers: Headers::default(),
        timeout: Duration::from_secs(10),
        export_timeout: Duration::from_secs(30),
        schedule_delay: Duration::from_secs(5),
        max_queue_size: 2048,
        max_batch_size: 512,
        resource: Vec::new(),
    };
    assert_eq!(environment.exporting, Some(expected));
}

#[test]
fn the_endpoint_of_traces_is_used_as_it_is_and_the_one_of_all_signals_as_their_root() {
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let all = "OTEL_EXPORTER_OTLP_ENDPOINT";
    for (pairs, url) in [
        (&[(all, "http://a:4318/")][..], "http://a:4318/v1/traces"),
        (&[(all, "http://a/otlp")], "http://a/otlp/v1/traces"),
        (&[(own, "http://b:1/x?y")], "http://b:1/x?y"),
        (&[(own, "http://b")], "http://b/"),
        (&[(all, "https://a"), (own, "http://b/t")], "http://b/t"),
    ] {
        let environment = read(pairs);
        let target = environment.exporting.unwrap().target;
        assert_eq!(Ok(target), Target::parse(url), "{pairs:?}");
        assert_eq!(environment.warnings, [""; 0], "{pairs:?}");
    }
}

#[test]
fn what_belongs_to_traces_counts_before_what_belongs_to_all_signals() {
    let both = exporting(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "c=x%20y , d = 5%2C6,"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ]);
    assert_eq!(both.headers.0, owned(&[("c", "x y"), ("d", "5,6")]));
    assert_eq!(both.timeout, Duration::from_secs(2));
    let all = exporting(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
    ]);
    assert_eq!(all.headers.0, owned(&[("a", "1"), ("b", "2")]));
    assert_eq!(all.timeout, Duration::from_secs(1));
}

#[test]
fn a_batch_waits_as_long_and_is_as_large_as_is_said() {
    let batches = exporting(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "3000"),
    ]);
    assert_eq!(batches.schedule_delay, Duration::ZERO);
    assert_eq!((batches.max_queue_size, batches.max_batch_size), (100, 100));
    let three = Duration::from_secs(3);
    assert_eq!((batches.timeout, batches.export_timeout), (three, three));
    let endless = exporting(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
    ]);
    assert_eq!(endless.timeout, Duration::from_secs(60 * 60));
}

#[test]
fn the_name_of_the_service_counts_before_the_one_among_the_attributes() {
    let attributes = "service.name=a,k8s.pod.name=shop%2D1,team=caf%C3%A9";
    let named = exporting(&[("OTEL_RESOURCE_ATTRIBUTES", attributes)]);
    let expected = [
        ("service.name", "a"),
        ("k8s.pod.name", "shop-1"),
        ("team", "café"),
    ];
    assert_eq!(named.resource, owned(&expected));
    let renamed = exporting(&[
        ("OTEL_RESOURCE_ATTRIBUTES", attributes),
        ("OTEL_SERVICE_NAME", "b"),
    ]);
    let expected = [
        ("k8s.pod.name", "shop-1"),
        ("team", "café"),
        ("service.name", "b"),
    ];
    assert_eq!(renamed.resource, owned(&expected));
}

#[test]
fn every_sampler_of_the_specification_is_known() {
    let half = 1 << 55;
    for (name, argument, expected) in [
        ("always_on", "", Sampling::Root(Rule::AlwaysOn)),
        ("always_off", "0.5", Sampling::Root(Rule::AlwaysOff)),
        ("traceidratio", "", Sampling::Root(Rule::Ratio(0))),
        ("traceidratio", "0.5", Sampling::Root(Rule::Ratio(half))),
        ("traceidratio", "0", Sampling::Root(Rule::Ratio(1 << 56))),
        (
            "parentbased_always_on",
            "x",
            Sampling::ParentBased(Rule::AlwaysOn),
        ),
        (
            "parentbased_always_off",
            "",
            Sampling::ParentBased(Rule::AlwaysOff),
        ),
        (
            "parentbased_traceidratio",
            "1.0",
            Sampling::ParentBased(Rule::Ratio(0)),
        ),
    ] {
        let environment = read(&[
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        assert_eq!(environment.sampling, expected, "{name} {argument}");
        assert_eq!(environment.warnings, [""; 0], "{name} {argument}");
    }
}

#[test]
fn a_context_is_passed_on_unless_the_propagators_say_otherwise() {
    for (given, expected) in [
        ("tracecontext", true),
        ("tracecontext,baggage", true),
        ("baggage", false),
        ("none", false),
        ("", true),
    ] {
        let environment = read(&[("OTEL_PROPAGATORS", given)]);
        assert_eq!(environment.propagates, expected, "{given}");
        assert_eq!(environment.warnings, [""; 0], "{given}");
    }
}

#[test]
fn what_cannot_be_used_is_one_warning_that_says_what_would_be_and_the_service_starts() {
    for (name, value, warning, is_exported) in BAD {
        let environment = read(&[COLLECTOR, (name, value)]);
        let warnings = &environment.warnings;
        assert_eq!(warnings.len(), 1, "{name}={value}: {warnings:?}");
        assert!(
            warnings[0].contains(warning),
            "{name}={value}: {warnings:?}"
        );
        assert!(warnings[0].starts_with(name), "{warnings:?}");
        assert!(!warnings[0].contains("secret"), "{warnings:?}");
        assert_eq!(
            environment.exporting.is_some(),
            is_exported,
            "{name}={value}"
        );
        if is_exported {
            let (bad, good) = (environment.exporting, read(&[COLLECTOR]).exporting);
            assert_eq!(bad, good, "{name}={value} is not the default");
        }
    }
}

#[test]
fn a_ratio_that_is_none_is_a_warning_and_all_traces() {
    for argument in ["half", "-0.1", "1.5", "1.000000001", "NaN", ".", "1e-3"] {
        let environment = read(&[
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        assert_eq!(environment.sampling, Sampling::ParentBased(Rule::Ratio(0)));
        let expected = format!(
            "OTEL_TRACES_SAMPLER_ARG={argument:?}: expected the part of traces to record, as a decimal number from 0.0 to 1.0"
        );
        assert_eq!(environment.warnings, [expected]);
    }
}

#[test]
fn what_is_shown_of_headers_is_that_there_are_some() {
    let key = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret");
    let mut settings = Settings::from_pairs([COLLECTOR, key]);
    let environment = Environment::read(&mut settings);
    let shown = settings.entries().iter().map(|entry| &*entry.shown);
    assert!(shown.clone().any(|shown| shown == "[redacted]"));
    assert!(!shown.clone().any(|shown| shown.contains("secret")));
    assert!(!format!("{environment:?}").contains("secret"));
}

#[test]
fn a_batch_that_is_given_larger_than_the_queue_is_a_warning_and_as_large_as_that() {
    let name = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    let pairs = [COLLECTOR, ("OTEL_BSP_MAX_QUEUE_SIZE", "100"), (name, "200")];
    let mut settings = Settings::from_pairs(pairs);
    let environment = Environment::read(&mut settings);
    assert_eq!(environment.exporting.unwrap().max_batch_size, 100);
    let expected =
        format!("{name}=\"200\": expected at most OTEL_BSP_MAX_QUEUE_SIZE, 100, which is used");
    assert_eq!(environment.warnings, [expected]);
    let mut entries = settings.entries().iter();
    let shown = entries.find(|entry| entry.name == name).unwrap();
    assert_eq!(shown.shown, "100", "what `config` prints is what runs");
    let unsaid = exporting(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]);
    assert_eq!(unsaid.max_batch_size, 100);
}

#[test]
fn the_compression_of_traces_counts_before_that_of_all_signals() {
    exporting(&[
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
    ]);
}

#[test]
fn what_may_be_a_key_in_an_endpoint_is_not_shown_whether_it_is_used_or_not() {
    let all = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for pairs in [
        &[(all, "http://user:secret@collector")][..],
        &[(own, "http://collector/v1/traces?key=secret")],
        &[(all, "https://user:secret@collector")],
        &[(all, "http://user:secret@a"), (own, "http://b")],
        &[(all, "http://user:secret@a"), ("OTEL_SDK_DISABLED", "true")],
    ] {
        let mut settings = Settings::from_pairs(pairs.iter().copied());
        let environment = Environment::read(&mut settings);
        let mut shown = settings.entries().iter().map(|entry| &*entry.shown);
        assert!(!shown.any(|shown| shown.contains("secret")), "{pairs:?}");
        let warnings = environment.warnings.concat();
        assert!(!warnings.contains("secret"), "{warnings}");
    }
}
