//! What was disturbed is measured again, so often and no oftener.

use crate::results::Sample;

/// Of all that is planned, the part that may be taken again: a run on a noisy machine ends, too.
const MOST_OF_ALL: f64 = 0.5;

/// How many may still be taken again.
pub struct Budget {
    /// Of one measurement, before the machine is taken for one that is never quiet and the report
    /// says so.
    per_sample: u32,
    /// In this run.
    left: u32,
}

impl Budget {
    pub fn new(per_sample: u32, planned: usize) -> Budget {
        Budget { per_sample, left: (planned as f64 * MOST_OF_ALL) as u32 }
    }

    fn take(&mut self) -> bool {
        let is_left = self.left > 0;
        self.left -= u32::from(is_left);
        is_left
    }
}

/// Measures what was disturbed in a round again when all of the round is done, by when what
/// disturbed it may have gone. Of several attempts the first undisturbed one is kept, else the least
/// disturbed: it is marked in the report and has no part in its medians.
pub fn settle(samples: &mut [Sample], budget: &mut Budget, mut measure: impl FnMut(&Sample) -> Option<Sample>) {
    for _ in 0..budget.per_sample {
        for sample in samples.iter_mut().filter(|sample| sample.is_disturbed()) {
            if !budget.take() {
                return;
            }
            let attempts = sample.attempts + 1;
            let new = measure(sample);
            let better = new.filter(|new| new.disturbance.degree() < sample.disturbance.degree());
            if let Some(better) = better {
                *sample = better;
            }
            sample.attempts = attempts;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Disturbance;
    use crate::measure::Values;
    use crate::metric::Metric;

    fn sample(scenario: &str, value: f64, others: f64) -> Sample {
        Sample {
            scenario: scenario.into(),
            variant: "x".into(),
            round: 1,
            values: Values::from([(Metric::CpuPerRequest, value)]),
            note: String::new(),
            disturbance: Disturbance { others, ..Disturbance::default() },
            attempts: 1,
        }
    }

    /// What is kept of a greeting that was measured with these disturbances, one after the other.
    fn kept(disturbances: &[f64], per_sample: u32) -> (Sample, usize) {
        let mut attempts =
            disturbances.iter().enumerate().map(|(index, others)| sample("greeting", index as f64, *others));
        let mut samples = [attempts.next().unwrap()];
        let mut measured = 1;
        settle(&mut samples, &mut Budget { per_sample, left: 10 }, |_| {
            measured += 1;
            attempts.next()
        });
        let [kept] = samples;
        (kept, measured)
    }

    #[test]
    fn what_was_quiet_is_measured_once() {
        let (kept, measured) = kept(&[0.0, 0.0], 3);
        assert_eq!((kept.attempts, measured), (1, 1));
    }

    #[test]
    fn what_was_disturbed_is_measured_until_it_is_quiet() {
        let (kept, measured) = kept(&[0.5, 0.9, 0.0, 0.0], 3);
        assert_eq!((kept.attempts, measured), (3, 3));
        assert_eq!(kept.values[&Metric::CpuPerRequest], 2.0);
        assert!(!kept.is_disturbed());
    }

    #[test]
    fn on_a_machine_that_is_never_quiet_the_least_disturbed_is_kept_and_marked() {
        let (kept, measured) = kept(&[0.9, 0.5, 0.7, 0.8, 0.0], 3);
        assert_eq!((kept.attempts, measured), (4, 4));
        assert_eq!(kept.values[&Metric::CpuPerRequest], 1.0);
        assert!(kept.is_disturbed());
    }

    #[test]
    fn a_run_ends_though_everything_is_disturbed() {
        let mut measured = 0;
        let mut samples: Vec<Sample> = (0..10).map(|_| sample("greeting", 1.0, 1.0)).collect();
        settle(&mut samples, &mut Budget::new(3, 10), |old| {
            measured += 1;
            Some(sample(&old.scenario, 1.0, 1.0))
        });
        assert_eq!(measured, 5);
    }

    #[test]
    fn nothing_is_measured_again_where_that_is_not_wanted() {
        let (kept, measured) = kept(&[0.5, 0.0], 0);
        assert_eq!((kept.attempts, measured), (1, 1));
        assert!(kept.is_disturbed());
    }

    #[test]
    fn what_nothing_can_disturb_is_measured_once() {
        let mut samples = [sample("size", 1.0, 1.0)];
        settle(&mut samples, &mut Budget::new(3, 10), |_| panic!("measured again"));
        assert_eq!(samples[0].attempts, 1);
    }

    #[test]
    fn what_fails_the_second_time_stays_what_it_was() {
        let (kept, _) = kept(&[0.5], 3);
        assert_eq!((kept.values[&Metric::CpuPerRequest], kept.attempts), (0.0, 4));
    }
}
