//! What seaworthy means to reach, and whether this run saw it reached.

use crate::metric::Metric;
use crate::results::Results;

pub const OURS: &str = "seaworthy";

struct Goal {
    text: &'static str,
    scenario: &'static str,
    metric: Metric,
    bound: Bound,
}

enum Bound {
    /// At most so many times what this variant has.
    Times(f64, &'static str),
    /// At most so many times what the best other variant has; at least, where more is better.
    TimesBest(f64),
    AtMost(f64),
}

const GO: &str = "Go net/http";

const GOALS: [Goal; 20] = [
    goal("CPU per greeting: axum's", "greeting", Metric::CpuPerRequest, Bound::Times(1.0, "axum")),
    goal("CPU per greeting: actix-web's", "greeting", Metric::CpuPerRequest, Bound::Times(1.0, "actix-web")),
    goal("p99 of the greeting: axum's", "greeting", Metric::P99, Bound::Times(1.0, "axum")),
    goal("p99 of the greeting: actix-web's", "greeting", Metric::P99, Bound::Times(1.0, "actix-web")),
    goal("memory at rest: a fifth of Go's", "memory", Metric::MemoryRest, Bound::Times(0.2, GO)),
    goal("memory at rest: half of axum's", "memory", Metric::MemoryRest, Bound::Times(0.5, "axum")),
    goal("memory when busy: a fifth of Go's", "memory", Metric::MemoryBusy, Bound::Times(0.2, GO)),
    goal("memory when busy: half of axum's", "memory", Metric::MemoryBusy, Bound::Times(0.5, "axum")),
    goal("memory at rest, static: a fifth of Go's", "memory-static", Metric::MemoryRest, Bound::Times(0.2, GO)),
    goal("memory at rest, static: half of axum's", "memory-static", Metric::MemoryRest, Bound::Times(0.5, "axum")),
    goal("memory when busy, static: a fifth of Go's", "memory-static", Metric::MemoryBusy, Bound::Times(0.2, GO)),
    goal("memory when busy, static: half of axum's", "memory-static", Metric::MemoryBusy, Bound::Times(0.5, "axum")),
    goal("memory with idle connections: 32 MiB", "idle", Metric::MemoryIdle, Bound::AtMost(32.0 * 1024.0 * 1024.0)),
    goal("start: half of Go's", "start", Metric::FirstAnswer, Bound::Times(0.5, GO)),
    goal("start: two thirds of axum's", "start", Metric::FirstAnswer, Bound::Times(2.0 / 3.0, "axum")),
    goal("start, static: half of Go's", "start-static", Metric::FirstAnswer, Bound::Times(0.5, GO)),
    goal("start, static: two thirds of axum's", "start-static", Metric::FirstAnswer, Bound::Times(2.0 / 3.0, "axum")),
    goal("probes, every worker blocked: p99 of 50 ms", "probe-blocked", Metric::P99, Bound::AtMost(0.05)),
    goal("probes, every worker computing: p99 of 50 ms", "probe-computing", Metric::P99, Bound::AtMost(0.05)),
    goal("blocking work, equal threads: 95 % of the best", "block", Metric::RequestsPerSecond, Bound::TimesBest(0.95)),
];

const fn goal(text: &'static str, scenario: &'static str, metric: Metric, bound: Bound) -> Goal {
    Goal { text, scenario, metric, bound }
}

/// One row of the report: the goal, what was measured, the bound, and whether it is reached.
pub struct Verdict {
    pub text: &'static str,
    pub measured: String,
    pub bound: String,
    pub reached: bool,
}

/// Goals of which both sides were measured.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    GOALS.iter().filter_map(|goal| verdict(goal, results)).collect()
}

fn verdict(goal: &Goal, results: &Results) -> Option<Verdict> {
    let median = |variant: &str| Some(results.summary(goal.scenario, variant, goal.metric)?.median);
    let measured = median(OURS)?;
    let less = goal.metric.less_is_better();
    let bound = match goal.bound {
        Bound::AtMost(bound) => bound,
        Bound::Times(factor, variant) => factor * median(variant)?,
        Bound::TimesBest(factor) => {
            let others = results.variants(&[]).into_iter().filter(|name| !is_ours(name));
            let values = others.filter_map(median);
            factor * values.reduce(if less { f64::min } else { f64::max })?
        }
    };
    Some(Verdict {
        text: goal.text,
        measured: goal.metric.format(measured),
        bound: goal.metric.format(bound),
        reached: if less { measured <= bound } else { measured >= bound },
    })
}

/// Both engines.
pub fn is_ours(variant: &str) -> bool {
    variant.starts_with(OURS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Disturbance;
    use crate::measure::Values;
    use crate::results::Sample;

    fn results(of: &[(&str, &str, Metric, f64)]) -> Results {
        let sample = |&(scenario, variant, metric, value): &(&str, &str, Metric, f64)| Sample {
            scenario: scenario.into(),
            variant: variant.into(),
            round: 1,
            values: Values::from([(metric, value)]),
            note: String::new(),
            disturbance: Disturbance::default(),
        };
        Results { samples: of.iter().map(sample).collect(), ..Results::default() }
    }

    fn reached(of: &[(&str, &str, Metric, f64)]) -> Vec<bool> {
        verdicts(&results(of)).iter().map(|verdict| verdict.reached).collect()
    }

    #[test]
    fn less_than_another() {
        let cpu = Metric::CpuPerRequest;
        assert_eq!(reached(&[("greeting", OURS, cpu, 2.0), ("greeting", "axum", cpu, 2.0)]), [true]);
        assert_eq!(reached(&[("greeting", OURS, cpu, 2.1), ("greeting", "axum", cpu, 2.0)]), [false]);
        assert!(reached(&[("greeting", OURS, cpu, 2.1)]).is_empty());
    }

    #[test]
    fn near_the_best_where_more_is_better() {
        let rate = Metric::RequestsPerSecond;
        let of = |ours| reached(&[("block", OURS, rate, ours), ("block", "axum", rate, 100.0)]);
        assert_eq!((of(96.0), of(94.0)), (vec![true], vec![false]));
    }

    #[test]
    fn an_absolute_bound() {
        assert_eq!(reached(&[("probe-blocked", OURS, Metric::P99, 0.002)]), [true]);
        assert_eq!(reached(&[("probe-blocked", OURS, Metric::P99, 0.2)]), [false]);
    }
}
