//! Where a value lies in a drawing.

/// What the values of a chart are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    /// Thousandths of one a second.
    Rate,
    /// On a logarithmic scale: what is slow is so by orders of magnitude.
    Nanos,
    /// Thousandths of a CPU.
    Cpus,
    Bytes,
}

/// The upper and the lower edge of what is drawn.
const TOP: u64 = 8;
pub(super) const BOTTOM: u64 = 86;

/// From values to heights.
pub(super) struct Scale {
    pub(super) bottom: u64,
    pub(super) top: u64,
    is_logarithmic: bool,
}

impl Scale {
    /// One whose ends are round and hold all that is drawn, and the limit where the values come near it.
    pub(super) fn of(unit: Unit, values: impl Iterator<Item = u64>, limit: Option<u64>) -> Scale {
        let (lowest, highest) = values.fold((u64::MAX, 0), |(lowest, highest), value| {
            (lowest.min(value), highest.max(value))
        });
        let near = limit.filter(|limit| *limit / 4 <= highest);
        let highest = near.unwrap_or(0).max(highest);
        let top = match unit {
            Unit::Nanos => return Scale::of_decades(lowest.min(highest), highest),
            Unit::Bytes => highest
                .max(1 << 20)
                .checked_next_power_of_two()
                .unwrap_or(highest),
            Unit::Count => round_up(highest, 2),
            Unit::Cpus => round_up(highest, 10),
            Unit::Rate => round_up(highest, 1_000),
        };
        Scale {
            bottom: 0,
            top,
            is_logarithmic: false,
        }
    }

    /// From a power of ten to another, a microsecond at least, with one in the middle.
    fn of_decades(lowest: u64, highest: u64) -> Scale {
        let below = lowest.max(1_000).ilog10();
        let above = highest.max(1_000).ilog10() + 1;
        let odd = (above - below) % 2;
        Scale {
            bottom: 10_u64.pow(below),
            top: 10_u64.saturating_pow((above + odd).max(below + 2)),
            is_logarithmic: true,
        }
    }

    pub(super) fn middle(&self) -> u64 {
        match self.is_logarithmic {
            true => 10_u64.pow(u32::midpoint(self.bottom.ilog10(), self.top.ilog10())),
            false => self.top / 2,
        }
    }

    /// Where a value lies, from the upper edge.
    pub(super) fn height(&self, value: u64) -> u64 {
        let place = |value| match self.is_logarithmic {
            true => logarithm(value),
            false => value,
        };
        let bottom = place(self.bottom);
        let range = u128::from(place(self.top) - bottom).max(1);
        let above = u128::from(place(value.clamp(self.bottom, self.top)) - bottom);
        BOTTOM - (above * u128::from(BOTTOM - TOP) / range) as u64
    }
}

/// To the base of two, in 256ths, and between two powers along a straight line: off by a twelfth at most.
fn logarithm(value: u64) -> u64 {
    let value = value.max(1);
    let whole = value.ilog2();
    let fraction = (u128::from(value) << 8 >> whole) as u64 - 256;
    u64::from(whole) * 256 + fraction
}

/// The next of `least`, 2 and 5 and 10 times that, and so on.
fn round_up(value: u64, least: u64) -> u64 {
    let mut step = least;
    while step < u64::MAX / 10 {
        let steps = [step, step * 2, step * 5];
        if let Some(found) = steps.into_iter().find(|top| *top >= value) {
            return found;
        }
        step *= 10;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(unit: Unit, values: &[u64], limit: Option<u64>) -> Scale {
        Scale::of(unit, values.iter().copied(), limit)
    }

    #[test]
    fn the_highest_value_is_within_the_drawing_whatever_it_is() {
        for highest in [0, 1, 999, 1 << 20, (1 << 30) + 1, u64::MAX] {
            for unit in [
                Unit::Count,
                Unit::Rate,
                Unit::Nanos,
                Unit::Cpus,
                Unit::Bytes,
            ] {
                let scale = scale(unit, &[highest, 0], None);
                assert!(scale.top >= highest && scale.top > 0, "{highest}");
                for value in [0, 1, highest, u64::MAX] {
                    assert!((TOP..=BOTTOM).contains(&scale.height(value)), "{value}");
                }
            }
        }
    }

    #[test]
    fn latencies_of_all_magnitudes_can_be_told_apart() {
        let scale = scale(Unit::Nanos, &[7_000, 20_000_000_000], None);
        assert_eq!((scale.bottom, scale.top), (1_000, 100_000_000_000));
        assert_eq!(scale.middle(), 10_000_000);
        let heights = [7_000, 70_000, 700_000, 7_000_000].map(|value| scale.height(value));
        assert!(
            heights.is_sorted_by(|one, next| *one >= next + 8),
            "{heights:?}"
        );
    }

    #[test]
    fn a_limit_is_within_the_drawing_where_the_values_come_near_it() {
        let limit = Some(128 << 20);
        assert_eq!(scale(Unit::Bytes, &[64 << 20], limit).top, 128 << 20);
        assert_eq!(
            scale(Unit::Bytes, &[1 << 20], limit).top,
            1 << 20,
            "or the line would lie on the ground"
        );
    }
}
