//! All that was measured, as it is kept in `raw.json`.

use serde::{Deserialize, Serialize};

use crate::machine::{Disturbance, Machine};
use crate::measure::Values;
use crate::metric::Metric;
use crate::stats::{Summary, summarise};

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub started: String,
    pub machine: Machine,
    pub rounds: u32,
    pub seconds: u64,
    pub idle_connections: usize,
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

    pub fn summary(&self, scenario: &str, variant: &str, metric: Metric) -> Option<Summary> {
        let rounds = self.of(scenario).filter(|sample| sample.variant == variant);
        let values: Vec<f64> = rounds.filter_map(|sample| sample.values.get(&metric).copied()).collect();
        summarise(&values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(scenario: &str, variant: &str, cpu: f64) -> Sample {
        Sample {
            scenario: scenario.into(),
            variant: variant.into(),
            round: 1,
            values: Values::from([(Metric::CpuPerRequest, cpu)]),
            note: String::new(),
            disturbance: Disturbance::default(),
        }
    }

    #[test]
    fn rounds_of_one_variant_in_one_scenario() {
        let samples = vec![sample("a", "x", 1.0), sample("b", "x", 9.0), sample("a", "x", 3.0)];
        let results = Results { samples, ..Results::default() };
        let summary = results.summary("a", "x", Metric::CpuPerRequest);
        assert_eq!(summary, Some(Summary { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(results.summary("a", "y", Metric::CpuPerRequest), None);
        assert_eq!(results.summary("a", "x", Metric::P99), None);
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
