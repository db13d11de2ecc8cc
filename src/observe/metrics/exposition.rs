//! The two text formats that Prometheus scrapes: its classic one, and OpenMetrics 1.0.
//!
//! They differ in little: what a counter's family is called, exemplars, and the last line.

use std::fmt::Write;

/// In which format a scrape is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    Classic,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a text of this form ends with.
    pub(crate) fn end(self) -> &'static str {
        match self {
            Format::Classic => "",
            Format::OpenMetrics => "# EOF\n",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A value: nothing that is counted here needs floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Whole(u64),
    /// So many thousand millionths: a duration of nanoseconds, in seconds.
    Nanos(u64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Whole(value.into())
    }
}

pub(crate) type Label<'a> = (&'static str, &'a str);

/// A trace that a histogram's bucket has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: u128,
    pub(crate) nanos: u64,
}

/// A histogram, as it is written.
pub(crate) struct Buckets<'a> {
    /// The upper bounds with their counts, none of which holds another's.
    pub(crate) counts: &'a [u64],
    pub(crate) bounds: &'a [&'static str],
    pub(crate) sum: Value,
    /// With the bucket that it lies in.
    pub(crate) exemplar: Option<(usize, Exemplar)>,
}

/// What is being written.
pub(crate) struct Exposition {
    pub(crate) format: Format,
    pub(crate) text: String,
    family: &'static str,
    kind: Kind,
}

impl Exposition {
    pub(crate) fn new(format: Format) -> Exposition {
        Exposition {
            format,
            text: String::with_capacity(16 * 1024),
            family: "",
            kind: Kind::Gauge,
        }
    }

    /// Begins a family; a counter's name is given without its `_total`.
    pub(crate) fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> &mut Exposition {
        (self.family, self.kind) = (name, kind);
        let (word, total) = match (kind, self.format) {
            (Kind::Counter, Format::Classic) => ("counter", "_total"),
            (Kind::Counter, Format::OpenMetrics) => ("counter", ""),
            (Kind::Gauge, _) => ("gauge", ""),
            (Kind::Histogram, _) => ("histogram", ""),
        };
        for part in [
            "# HELP ",
            name,
            total,
            " ",
            help,
            "\n# TYPE ",
            name,
            total,
            " ",
            word,
            "\n",
        ] {
            self.text.push_str(part);
        }
        self
    }

    /// A sample of the counters or gauges that were begun last.
    pub(crate) fn sample(&mut self, labels: &[Label<'_>], value: impl Into<Value>) -> &mut Self {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.line(suffix, labels, None, value.into());
        self.text.push('\n');
        self
    }

    /// A family of one sample that has no labels.
    pub(crate) fn single(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &str,
        value: impl Into<Value>,
    ) {
        self.family(kind, name, help).sample(&[], value);
    }

    /// A sample of the histograms that were begun last.
    pub(crate) fn histogram(&mut self, labels: &[Label<'_>], buckets: &Buckets<'_>) {
        let mut below = 0;
        let bounds = buckets.bounds.iter().copied().chain(["+Inf"]);
        for (place, (bound, count)) in bounds.zip(buckets.counts).enumerate() {
            below += count;
            self.line("_bucket", labels, Some(("le", bound)), Value::Whole(below));
            match buckets.exemplar {
                Some((bucket, exemplar))
                    if bucket == place && self.format == Format::OpenMetrics =>
                {
                    self.exemplar(exemplar);
                }
                _ => {}
            }
            self.text.push('\n');
        }
        self.line("_sum", labels, None, buckets.sum);
        self.text.push('\n');
        self.line("_count", labels, None, Value::Whole(below));
        self.text.push('\n');
    }

    fn exemplar(&mut self, exemplar: Exemplar) {
        let _ = write!(self.text, " # {{trace_id=\"{:032x}\"}} ", exemplar.trace_id);
        self.value(Value::Nanos(exemplar.nanos));
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], last: Option<Label<'_>>, value: Value) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        let mut before = '{';
        // A label without a value is the same as none.
        let labels = labels.iter().copied().chain(last);
        for (name, value) in labels.filter(|(_, value)| !value.is_empty()) {
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escaped(value);
            self.text.push('"');
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        self.value(value);
    }

    fn escaped(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }

    fn value(&mut self, value: Value) {
        const BILLION: u64 = 1_000_000_000;
        let _ = match value {
            Value::Whole(whole) => write!(self.text, "{whole}"),
            Value::Nanos(nanos) if nanos % BILLION == 0 => write!(self.text, "{}", nanos / BILLION),
            Value::Nanos(nanos) => {
                let _ = write!(self.text, "{}.{:09}", nanos / BILLION, nanos % BILLION);
                let end = self.text.trim_end_matches('0').len();
                self.text.truncate(end);
                Ok(())
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut out = Exposition::new(format);
        out.family(Kind::Counter, "orders", "Orders.")
            .sample(&[("place", "a\"b\\c\nd"), ("none", "")], 7_u64);
        out.family(Kind::Histogram, "wait_seconds", "Waiting.")
            .histogram(
                &[("route", "/")],
                &Buckets {
                    counts: &[2, 0, 1],
                    bounds: &["0.005", "1.0"],
                    sum: Value::Nanos(2_050_000_000),
                    exemplar: Some((
                        2,
                        Exemplar {
                            trace_id: 0xab,
                            nanos: 2_000_000_000,
                        },
                    )),
                },
            );
        out.text
    }

    #[test]
    fn the_classic_format_names_a_counter_by_its_sample_and_has_no_exemplars() {
        let expected = "# HELP orders_total Orders.\n# TYPE orders_total counter\n\
            orders_total{place=\"a\\\"b\\\\c\\nd\"} 7\n\
            # HELP wait_seconds Waiting.\n# TYPE wait_seconds histogram\n\
            wait_seconds_bucket{route=\"/\",le=\"0.005\"} 2\n\
            wait_seconds_bucket{route=\"/\",le=\"1.0\"} 2\n\
            wait_seconds_bucket{route=\"/\",le=\"+Inf\"} 3\n\
            wait_seconds_sum{route=\"/\"} 2.05\n\
            wait_seconds_count{route=\"/\"} 3\n";
        assert_eq!(written(Format::Classic), expected);
    }

    #[test]
    fn openmetrics_names_a_counter_by_its_family_and_has_exemplars() {
        let text = written(Format::OpenMetrics);
        assert!(text.starts_with("# HELP orders Orders.\n# TYPE orders counter\norders_total{"));
        let exemplar = "le=\"+Inf\"} 3 # {trace_id=\"000000000000000000000000000000ab\"} 2\n";
        assert!(text.contains(exemplar), "{text}");
    }
}
