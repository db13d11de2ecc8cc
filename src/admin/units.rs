//! Numbers as people read them: three digits that count, and a unit. Integers throughout, for the code that prints any
//! float weighs more than all of this.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

/// A duration in nanoseconds: `812 ns`, `8.12 µs`, `81.2 ms`, and from a minute on `13 min 32 s`.
pub(super) struct Nanos(pub(super) u64);

/// Bytes: `812 B`, `8.12 KiB`, `81.2 MiB`.
pub(super) struct Bytes(pub(super) u64);

/// CPUs, given in thousandths, which is how Kubernetes writes them: `812m`, `8.12`.
pub(super) struct Cpus(pub(super) u64);

/// A rate, given in thousandths of one a second: `0.812/s`, `8.12/s`, `812/s`.
pub(super) struct Rate(pub(super) u64);

impl Nanos {
    pub(super) fn of(duration: Duration) -> Nanos {
        Nanos(to_nanos(duration))
    }
}

/// 584 years at most.
pub(super) fn to_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Display for Nanos {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..1_000 => (1, " ns"),
            1_000..1_000_000 => (1_000, " µs"),
            1_000_000..1_000_000_000 => (1_000_000, " ms"),
            1_000_000_000..60_000_000_000 => (1_000_000_000, " s"),
            _ => return minutes(self.0 / 1_000_000_000, f),
        };
        decimal(self.0, unit, name, f)
    }
}

fn minutes(seconds: u64, f: &mut Formatter<'_>) -> fmt::Result {
    let (whole, name, part, part_name) = match seconds {
        0..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => (seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    };
    write!(f, "{whole} {name} {part} {part_name}")
}

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0.max(1).ilog2() {
            0..10 => (1, " B"),
            10..20 => (1 << 10, " KiB"),
            20..30 => (1 << 20, " MiB"),
            _ => (1 << 30, " GiB"),
        };
        decimal(self.0, unit, name, f)
    }
}

impl Display for Cpus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => decimal(self.0, 1, "m", f),
            _ => decimal(self.0, 1_000, "", f),
        }
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        decimal(self.0, 1_000, "/s", f)
    }
}

/// `value / unit`, with three digits at least and no zeros at the end of a fraction.
fn decimal(value: u64, unit: u64, name: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let whole = value / unit;
    let (mut digits, power) = match whole {
        0 => (3, 1000),
        1..10 => (2, 100),
        10..100 => (1, 10),
        _ => (0, 1),
    };
    // A unit is 2 to the 30th at most.
    let mut fraction = value % unit * power / unit;
    if fraction == 0 {
        return write!(f, "{whole}{name}");
    }
    while fraction.is_multiple_of(10) {
        (fraction, digits) = (fraction / 10, digits - 1);
    }
    write!(f, "{whole}.{fraction:0digits$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_the_unit_that_fits() {
        let shown: [(&dyn Display, &str); 21] = [
            (&Nanos(0), "0 ns"),
            (&Nanos(812), "812 ns"),
            (&Nanos(8_120), "8.12 µs"),
            (&Nanos(8_050), "8.05 µs"),
            (&Nanos(81_250_000), "81.2 ms"),
            (&Nanos(999_999_999), "999 ms"),
            (&Nanos(8_000_000_000), "8 s"),
            (&Nanos(812_000_000_000), "13 min 32 s"),
            (&Nanos::of(Duration::from_secs(7_260)), "2 h 1 min"),
            (&Nanos::of(Duration::from_secs(200_000)), "2 d 7 h"),
            (&Nanos::of(Duration::MAX), "213503 d 23 h"),
            (&Bytes(0), "0 B"),
            (&Bytes(812), "812 B"),
            (&Bytes(1_536), "1.5 KiB"),
            (&Bytes(128 << 20), "128 MiB"),
            (&Bytes(u64::MAX), "17179869183 GiB"),
            (&Cpus(500), "500m"),
            (&Cpus(1_500), "1.5"),
            (&Rate(812), "0.812/s"),
            (&Rate(0), "0/s"),
            (&Rate(812_000), "812/s"),
        ];
        for (value, expected) in shown {
            assert_eq!(value.to_string(), expected);
        }
    }
}
