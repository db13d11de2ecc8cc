//! What seaworthy means to reach, and whether this run saw it reached.

use crate::metric::Metric;
use crate::results::Results;
use crate::variant::{LIMIT, OURS, is_ours};
use crate::verdict::Verdict;

struct Goal {
    text: &'static str,
    scenario: &'static str,
    metric: Metric,
    bound: Bound,
}

enum Bound {
    /// At most so many times what this variant has.
    Times(f64, &'static str),
    /// The verdict beside this variant, or a better one.
    AtLeast(Verdict, &'static str),
    /// At most so many times what the best other variant has; at least, where more is better.
    TimesBest(f64),
    AtMost(f64),
}

const CPU: Metric = Metric::CpuPerRequest;
const MIB: f64 = 1024.0 * 1024.0;
const AHEAD: Verdict = Verdict::Ahead;

const GOALS: [Goal; 26] = [
    goal("CPU at 100/s: 1.3 times the limit", "open-100", CPU, Bound::Times(1.3, LIMIT)),
    goal("CPU at 100/s: ahead of axum", "open-100", CPU, Bound::AtLeast(AHEAD, "axum")),
    goal("CPU at 100/s: ahead of actix-web", "open-100", CPU, Bound::AtLeast(AHEAD, "actix-web")),
    goal("CPU at 1,000/s: 1.3 times the limit", "open-1000", CPU, Bound::Times(1.3, LIMIT)),
    goal("CPU at 1,000/s: ahead of axum", "open-1000", CPU, Bound::AtLeast(AHEAD, "axum")),
    goal("CPU at 1,000/s: ahead of actix-web", "open-1000", CPU, Bound::AtLeast(AHEAD, "actix-web")),
    goal("CPU at 5,000/s: 1.3 times the limit", "open-5000", CPU, Bound::Times(1.3, LIMIT)),
    goal("CPU at 5,000/s: ahead of axum", "open-5000", CPU, Bound::AtLeast(AHEAD, "axum")),
    goal("CPU at 5,000/s: ahead of actix-web", "open-5000", CPU, Bound::AtLeast(AHEAD, "actix-web")),
    goal("p99 at 1,000/s: level with axum", "open-1000", Metric::P99, Bound::AtLeast(Verdict::Level, "axum")),
    goal("CPU per greeting: 1.08 times the limit", "greeting", CPU, Bound::Times(1.08, LIMIT)),
    goal("CPU per greeting: ahead of axum", "greeting", CPU, Bound::AtLeast(AHEAD, "axum")),
    goal("CPU per greeting: ahead of actix-web", "greeting", CPU, Bound::AtLeast(AHEAD, "actix-web")),
    goal("CPU per greeting, 256 connections: 1.08 times the limit", "greeting-256", CPU, Bound::Times(1.08, LIMIT)),
    goal("CPU per greeting, 256 connections: ahead of axum", "greeting-256", CPU, Bound::AtLeast(AHEAD, "axum")),
    goal(
        "CPU per greeting, 256 connections: ahead of actix-web",
        "greeting-256",
        CPU,
        Bound::AtLeast(AHEAD, "actix-web"),
    ),
    goal("CPU per greeting, no quota: 1.08 times the limit", "greeting-free", CPU, Bound::Times(1.08, LIMIT)),
    goal("CPU per greeting, no quota: ahead of axum", "greeting-free", CPU, Bound::AtLeast(AHEAD, "axum")),
    goal("CPU per greeting, no quota: ahead of actix-web", "greeting-free", CPU, Bound::AtLeast(AHEAD, "actix-web")),
    goal("memory at rest, static: 1.3 MiB", "memory-static", Metric::MemoryRest, Bound::AtMost(1.3 * MIB)),
    goal("memory when busy, static: 1.5 MiB", "memory-static", Metric::MemoryBusy, Bound::AtMost(1.5 * MIB)),
    goal("memory with idle connections: 32 MiB", "idle", Metric::MemoryIdle, Bound::AtMost(32.0 * MIB)),
    goal("start, static: axum's", "start-static", Metric::FirstAnswer, Bound::Times(1.0, "axum")),
    goal("probes, every worker blocked: p99 of 3 ms", "probe-blocked", Metric::P99, Bound::AtMost(0.003)),
    goal("probes, every worker computing: p99 of 50 ms", "probe-computing", Metric::P99, Bound::AtMost(0.05)),
    goal("blocking work, equal threads: 95 % of the best", "block", Metric::RequestsPerSecond, Bound::TimesBest(0.95)),
];

const fn goal(text: &'static str, scenario: &'static str, metric: Metric, bound: Bound) -> Goal {
    Goal { text, scenario, metric, bound }
}

/// One row of the report: the goal, what was measured, the bound, and whether it is reached.
pub struct Judged {
    pub text: &'static str,
    pub measured: String,
    pub bound: String,
    /// Nothing where there are too few rounds to tell who is ahead.
    pub reached: Option<bool>,
}

/// Goals of which both sides were measured.
pub fn judge_all(results: &Results) -> Vec<Judged> {
    GOALS.iter().filter_map(|goal| judge(goal, results)).collect()
}

fn judge(goal: &Goal, results: &Results) -> Option<Judged> {
    let median = |variant: &str| Some(results.summary(goal.scenario, variant, goal.metric)?.median);
    let measured = median(OURS)?;
    let less = goal.metric.less_is_better();
    let bound = match goal.bound {
        Bound::AtMost(bound) => bound,
        Bound::Times(factor, variant) => factor * median(variant)?,
        Bound::AtLeast(_, variant) => median(variant)?,
        Bound::TimesBest(factor) => {
            let others = results.variants(&[]).into_iter().filter(|name| !is_ours(name) && *name != LIMIT);
            let values = others.filter_map(median);
            factor * values.reduce(if less { f64::min } else { f64::max })?
        }
    };
    let reached = match goal.bound {
        Bound::AtLeast(wanted, variant) => {
            let verdict = results.verdict(goal.scenario, variant, goal.metric)?;
            (verdict != Verdict::TooFewRounds).then_some(verdict <= wanted)
        }
        _ if less => Some(measured <= bound),
        _ => Some(measured >= bound),
    };
    Some(Judged { text: goal.text, measured: goal.metric.format(measured), bound: goal.metric.format(bound), reached })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Disturbance;
    use crate::measure::Values;
    use crate::results::Sample;
    use crate::verdict::ENOUGH_ROUNDS;

    fn results(of: &[(&str, &str, Metric, f64)]) -> Results {
        let sample = |&(scenario, variant, metric, value): &(&str, &str, Metric, f64)| Sample {
            scenario: scenario.into(),
            variant: variant.into(),
            round: 1,
            values: Values::from([(metric, value)]),
            note: String::new(),
            disturbance: Disturbance::default(),
            attempts: 1,
        };
        Results { samples: of.iter().map(sample).collect(), ..Results::default() }
    }

    fn reached(of: &[(&str, &str, Metric, f64)]) -> Vec<Option<bool>> {
        judge_all(&results(of)).iter().map(|judged| judged.reached).collect()
    }

    #[test]
    fn less_than_another() {
        let start = |ours| ("start-static", OURS, Metric::FirstAnswer, ours);
        let axum = ("start-static", "axum", Metric::FirstAnswer, 2.0);
        assert_eq!(reached(&[start(2.0), axum]), [Some(true)]);
        assert_eq!(reached(&[start(2.1), axum]), [Some(false)]);
        assert!(reached(&[start(2.1)]).is_empty());
    }

    #[test]
    fn ahead_of_another_only_by_rounds_enough() {
        let round = [("open-100", OURS, CPU, 1.0), ("open-100", "axum", CPU, 2.0)];
        assert_eq!(reached(&round), [None]);
        assert_eq!(reached(&round.repeat(ENOUGH_ROUNDS)), [Some(true)]);
    }

    #[test]
    fn near_the_best_where_more_is_better() {
        let rate = Metric::RequestsPerSecond;
        let of = |ours| reached(&[("block", OURS, rate, ours), ("block", "axum", rate, 100.0)]);
        assert_eq!((of(96.0), of(94.0)), (vec![Some(true)], vec![Some(false)]));
    }

    #[test]
    fn an_absolute_bound() {
        assert_eq!(reached(&[("probe-blocked", OURS, Metric::P99, 0.002)]), [Some(true)]);
        assert_eq!(reached(&[("probe-blocked", OURS, Metric::P99, 0.2)]), [Some(false)]);
    }

    #[test]
    fn goals_name_scenarios_that_exist() {
        assert!(GOALS.iter().all(|goal| crate::scenario::find(goal.scenario).is_some()));
    }
}
