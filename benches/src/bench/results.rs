//! All that was measured, as it is kept in `raw.json`.

use serde::{Deserialize, Serialize};

use crate::machine::{Disturbance, Machine};
use crate::measure::Values;
use crate::metric::Metric;
use crate::scenario::{self, Scenario};
use crate::stats::{Summary, summarise};
use crate::variant::{self, LIMIT, OURS};
use crate::verdict::Verdict;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub started: String,
    pub machine: Machine,
    pub rounds: u32,
    pub seconds: u64,
    pub idle_connections: usize,
    /// Whom verdicts are about where seaworthy has no part: the last that was named, as of two
    /// builds the one after a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What could not be built or checked, and why.
    pub missing: Vec<String>,
    /// In the order in which they were taken.
    pub samples: Vec<Sample>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Sample {
    pub scenario: String,
    pub variant: String,
    pub round: u32,
    pub values: Values,
    /// What went wrong, in one line.
    pub note: String,
    pub disturbance: Disturbance,
    /// How often it was measured until this: again where it had been disturbed.
    #[serde(default = "once")]
    pub attempts: u32,
}

fn once() -> u32 {
    1
}

impl Sample {
    /// Then it counts only where the same was never measured undisturbed.
    pub fn is_disturbed(&self) -> bool {
        let can_be = scenario::find(&self.scenario).is_none_or(Scenario::can_be_disturbed);
        can_be && self.disturbance.matters()
    }
}

/// What is told of a variant in a scenario.
pub struct Shown {
    pub summary: Summary,
    /// No round of it was undisturbed: it is marked, and nothing is concluded from it.
    pub is_disturbed: bool,
}

impl Results {
    /// Each variant once, in the order of the table of variants as far as that can be told.
    pub fn variants(&self, order: &[&str]) -> Vec<&str> {
        let mut names: Vec<&str> = self.samples.iter().map(|sample| &*sample.variant).collect();
        let place = |name: &str| order.iter().position(|known| *known == name);
        names.sort_by_key(|name| (place(name).unwrap_or(usize::MAX), *name));
        names.dedup();
        names
    }

    pub fn of<'a>(&'a self, scenario: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.scenario == scenario)
    }

    /// The variants that took part in a scenario.
    pub fn taking_part(&self, scenario: &str) -> Vec<&str> {
        let mut names = self.variants(&variant::names());
        names.retain(|name| self.samples.iter().any(|sample| sample.scenario == scenario && sample.variant == *name));
        names
    }

    /// What stands in the report: the undisturbed rounds, or all for want of one.
    pub fn shown(&self, scenario: &str, variant: &str, metric: Metric) -> Option<Shown> {
        if let Some(summary) = self.summary(scenario, variant, metric) {
            return Some(Shown { summary, is_disturbed: false });
        }
        let summary = self.summary_of(scenario, variant, metric, |_| true)?;
        Some(Shown { summary, is_disturbed: true })
    }

    /// Of the undisturbed rounds.
    pub fn summary(&self, scenario: &str, variant: &str, metric: Metric) -> Option<Summary> {
        self.summary_of(scenario, variant, metric, |sample| !sample.is_disturbed())
    }

    fn summary_of(
        &self,
        scenario: &str,
        variant: &str,
        metric: Metric,
        counts: fn(&Sample) -> bool,
    ) -> Option<Summary> {
        let rounds = self.of(scenario).filter(|sample| sample.variant == variant && counts(sample));
        let values: Vec<f64> = rounds.filter_map(|sample| sample.values.get(&metric).copied()).collect();
        summarise(&values)
    }

    /// How many times what the limit takes, or carries.
    pub fn times_the_limit(&self, scenario: &str, variant: &str, metric: Metric) -> Option<f64> {
        let limit = self.summary(scenario, LIMIT, metric)?.median;
        let comparable = metric.is_measured() && variant != LIMIT && limit > 0.0;
        comparable.then_some(self.summary(scenario, variant, metric)?.median / limit)
    }

    pub fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or(OURS)
    }

    /// Where the subject stands beside that variant, if both took part.
    pub fn verdict(&self, scenario: &str, variant: &str, metric: Metric) -> Option<Verdict> {
        let [one, other] = [self.subject(), variant].map(|variant| self.summary(scenario, variant, metric));
        Some(Verdict::of(&one?, &other?, metric.less_is_better()))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn sample(scenario: &str, variant: &str, cpu: f64) -> Sample {
        Sample {
            scenario: scenario.into(),
            variant: variant.into(),
            round: 1,
            values: Values::from([(Metric::CpuPerRequest, cpu)]),
            note: String::new(),
            disturbance: Disturbance::default(),
            attempts: 1,
        }
    }

    #[test]
    fn rounds_of_one_variant_in_one_scenario() {
        let samples = vec![sample("a", "x", 1.0), sample("b", "x", 9.0), sample("a", "x", 3.0)];
        let results = Results { samples, ..Results::default() };
        let summary = results.summary("a", "x", Metric::CpuPerRequest);
        assert_eq!(summary, Some(Summary { median: 2.0, min: 1.0, max: 3.0, rounds: 2 }));
        assert_eq!(results.summary("a", "y", Metric::CpuPerRequest), None);
        assert_eq!(results.summary("a", "x", Metric::P99), None);
    }

    #[test]
    fn a_disturbed_round_does_not_count_beside_an_undisturbed_one() {
        let disturbance = Disturbance { others: 1.0, ..Disturbance::default() };
        let disturbed = |scenario| Sample { disturbance, ..sample(scenario, "x", 9.0) };
        let samples = vec![sample("greeting", "x", 1.0), disturbed("greeting"), disturbed("json"), disturbed("size")];
        let results = Results { samples, ..Results::default() };
        let of = |scenario| {
            let shown = results.shown(scenario, "x", Metric::CpuPerRequest).unwrap();
            (shown.summary.median, shown.is_disturbed)
        };
        assert_eq!((of("greeting"), of("json")), ((1.0, false), (9.0, true)));
        assert_eq!(results.summary("json", "x", Metric::CpuPerRequest), None);
        assert_eq!(of("size"), (9.0, false), "the size of a file cannot be disturbed");
    }

    #[test]
    fn ratios_to_the_limit() {
        let samples = vec![sample("greeting", LIMIT, 5.0), sample("greeting", "x", 10.0), sample("json", "x", 1.0)];
        let results = Results { samples, ..Results::default() };
        let times = |scenario, variant| results.times_the_limit(scenario, variant, Metric::CpuPerRequest);
        assert_eq!(times("greeting", "x"), Some(2.0));
        assert_eq!((times("greeting", LIMIT), times("json", "x")), (None, None));
    }

    #[test]
    fn known_variants_come_first() {
        let samples = vec![sample("a", "z", 1.0), sample("a", "b", 1.0), sample("b", "z", 1.0)];
        let results = Results { samples, ..Results::default() };
        assert_eq!(results.variants(&["z"]), ["z", "b"]);
    }

    #[test]
    fn raw_results_can_be_read_again() {
        let results = Results { samples: vec![sample("a", "x", 0.5)], ..Results::default() };
        let json = serde_json::to_string(&results).unwrap();
        let again: Results = serde_json::from_str(&json).unwrap();
        assert_eq!(again.samples[0].values, results.samples[0].values);
    }
}
