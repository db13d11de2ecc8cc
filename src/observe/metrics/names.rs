//! Whether two metrics have one name, which a scraper could not tell apart.

/// A metric as a line of the text describes it.
#[derive(Clone, Copy)]
struct Described<'t> {
    name: &'t str,
    /// Empty where the line is its help.
    kind: &'t str,
}

/// The first name in a text of either format that another metric has too, in that format or in OpenMetrics.
pub(super) fn twice(text: &str) -> Option<&str> {
    ["TYPE", "HELP"]
        .into_iter()
        .find_map(|what| first_clash(text.lines().filter_map(|line| described(line, what))))
}

/// White space between the words is of any kind and length
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/#comments-help-text-and-type-information>).
fn described<'t>(line: &'t str, what: &str) -> Option<Described<'t>> {
    let mut words = line.split_ascii_whitespace();
    let is_it = words.next() == Some("#") && words.next() == Some(what);
    let name = is_it.then(|| words.next()).flatten()?;
    let kind = match what {
        "TYPE" => words.next().unwrap_or_default(),
        _ => "",
    };
    Some(Described { name, kind })
}

fn first_clash<'t>(all: impl Iterator<Item = Described<'t>>) -> Option<&'t str> {
    let mut seen: Vec<Described<'t>> = Vec::new();
    for one in all {
        if seen.iter().any(|other| one.clashes_with(*other)) {
            return Some(one.name);
        }
        seen.push(one);
    }
    None
}

impl Described<'_> {
    fn clashes_with(self, other: Described<'_>) -> bool {
        self.family() == other.family() || self.is_part_of(other) || other.is_part_of(self)
    }

    /// What OpenMetrics calls it, where a counter's samples alone end with `_total`.
    fn family(&self) -> &str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }

    /// Whether it has the name of samples of the other's.
    fn is_part_of(self, other: Described<'_>) -> bool {
        let part = self.name.strip_prefix(other.name);
        matches!(other.kind, "histogram" | "summary")
            && matches!(part, Some("_bucket" | "_sum" | "_count"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_metrics_may_have_one_name_in_either_format() {
        for (one, other) in [
            ("# TYPE a gauge", "# TYPE a counter"),
            ("# TYPE a_total counter", "# TYPE a gauge"),
            ("# TYPE a histogram", "# TYPE a_count gauge"),
            ("# TYPE a_sum gauge", "# TYPE a summary"),
            ("# TYPE a gauge", "#  TYPE \ta\tcounter"),
            ("# HELP a What", "# HELP a Else"),
        ] {
            let text = format!("{one}\na 1\n{other}\na 2\n");
            assert!(twice(&text).is_some(), "{text}");
        }
        for (one, other) in [
            ("# TYPE a gauge", "# HELP a What"),
            ("# TYPE a gauge", "# TYPE ab gauge"),
            ("# TYPE a gauge", "# TYPE a_count gauge"),
            ("# TYPE a histogram", "# TYPE a_size gauge"),
            ("# TYPE a gauge", "# a TYPE a"),
        ] {
            let text = format!("{one}\na 1\n{other}\nb 2\n");
            assert_eq!(twice(&text), None, "{text}");
        }
    }
}
