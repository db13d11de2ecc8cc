//! The arithmetic: what stands for several rounds, and in which order they go.

/// The median of some rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub rounds: usize,
}

pub fn summarise(values: &[f64]) -> Option<Summary> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (&min, &max) = (sorted.first()?, sorted.last()?);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    };
    Some(Summary { median, min, max, rounds: sorted.len() })
}

/// Enough chance to keep an order from favouring anybody: xorshift64*.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let of = |values: &[f64]| summarise(values).map(|summary| summary.median);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some(3.0));
        assert_eq!(of(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(of(&[f64::NAN, 2.0]), Some(2.0));
    }

    #[test]
    fn spread() {
        let summary = summarise(&[2.0, 1.0, 5.0]);
        assert_eq!(summary, Some(Summary { median: 2.0, min: 1.0, max: 5.0, rounds: 3 }));
    }

    #[test]
    fn a_shuffle_keeps_everything_and_puts_everything_everywhere() {
        let mut chance = Chance::new(7);
        let mut firsts = [0; 4];
        for _ in 0..4000 {
            let mut items = [0, 1, 2, 3];
            chance.shuffle(&mut items);
            firsts[items[0]] += 1;
            items.sort();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(firsts.iter().all(|&count| (900..1100).contains(&count)), "{firsts:?}");
    }
}
