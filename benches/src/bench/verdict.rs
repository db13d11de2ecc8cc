//! Where seaworthy stands beside another variant, and from when on that can be said.

use std::fmt;

use crate::stats::Summary;

/// From so many undisturbed rounds on there is a verdict. Were two variants the same, their spreads
/// would lie apart once in 1,716 comparisons: of the 3,432 orders that seven and seven values can
/// come in, two do that.
pub const ENOUGH_ROUNDS: usize = 7;

/// From the best to the worst, and last what cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Ahead,
    Level,
    Behind,
    TooFewRounds,
}

impl Verdict {
    /// Ahead or behind only where each round of the one lies beyond each of the other: the spread
    /// is from the lowest to the highest, so that more rounds never make a verdict easier.
    pub fn of(ours: &Summary, theirs: &Summary, less_is_better: bool) -> Verdict {
        if ours.rounds.min(theirs.rounds) < ENOUGH_ROUNDS {
            return Verdict::TooFewRounds;
        }
        let (below, above) = (ours.max < theirs.min, ours.min > theirs.max);
        match (below, above) {
            (false, false) => Verdict::Level,
            _ if below == less_is_better => Verdict::Ahead,
            _ => Verdict::Behind,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Verdict::Ahead => "ahead of",
            Verdict::Level => "level with",
            Verdict::Behind => "behind",
            Verdict::TooFewRounds => "too few rounds beside",
        })
    }
}

/// In words, such as `ahead of axum, Go net/http; level with hyper`, or `level with all`.
pub fn in_words(verdicts: &[(&str, Verdict)]) -> String {
    let of = |wanted: Verdict| {
        let names: Vec<&str> =
            verdicts.iter().filter(|(_, verdict)| *verdict == wanted).map(|(variant, _)| *variant).collect();
        match names.len() {
            0 => None,
            count if count > 1 && count == verdicts.len() => Some(format!("{wanted} all")),
            _ => Some(format!("{wanted} {}", names.join(", "))),
        }
    };
    let words = [Verdict::Ahead, Verdict::Level, Verdict::Behind, Verdict::TooFewRounds];
    words.into_iter().filter_map(of).collect::<Vec<String>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(min: f64, max: f64, rounds: usize) -> Summary {
        Summary { median: (min + max) / 2.0, min, max, rounds }
    }

    #[test]
    fn spreads_that_lie_apart() {
        let (low, high) = (spread(1.0, 2.0, 7), spread(2.1, 3.0, 7));
        assert_eq!(Verdict::of(&low, &high, true), Verdict::Ahead);
        assert_eq!(Verdict::of(&high, &low, true), Verdict::Behind);
        assert_eq!(Verdict::of(&low, &high, false), Verdict::Behind);
        assert_eq!(Verdict::of(&high, &low, false), Verdict::Ahead);
    }

    #[test]
    fn spreads_that_touch_are_level() {
        let (low, high) = (spread(1.0, 2.0, 7), spread(2.0, 3.0, 7));
        assert_eq!(Verdict::of(&low, &high, true), Verdict::Level);
        assert_eq!(Verdict::of(&high, &low, true), Verdict::Level);
        assert_eq!(Verdict::of(&low, &low, true), Verdict::Level);
    }

    #[test]
    fn too_few_rounds_are_no_verdict_however_far_apart() {
        let (low, high) = (spread(1.0, 2.0, 7), spread(20.0, 30.0, 6));
        assert_eq!(Verdict::of(&low, &high, true), Verdict::TooFewRounds);
        assert_eq!(Verdict::of(&high, &low, true), Verdict::TooFewRounds);
    }

    #[test]
    fn words() {
        let verdicts = [("a", Verdict::Level), ("b", Verdict::Ahead), ("c", Verdict::Level)];
        assert_eq!(in_words(&verdicts), "ahead of b; level with a, c");
        assert_eq!(in_words(&[("a", Verdict::Behind)]), "behind a");
        assert_eq!(in_words(&[("a", Verdict::Behind), ("b", Verdict::Behind)]), "behind all");
        assert_eq!(
            in_words(&[("a", Verdict::TooFewRounds), ("b", Verdict::Level)]),
            "level with b; too few rounds beside a"
        );
        assert_eq!(in_words(&[]), "");
    }
}
