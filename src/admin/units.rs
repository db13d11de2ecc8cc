//! Numbers as people read them: three digits that count, and a unit. Integers throughout, for the code that prints any
//! float weighs more than all of this.

use std::time::Duration;

/// A duration in nanoseconds: `812 ns`, `8.12 µs`, `81.2 ms`, `812 s` no more but `13 min 32 s`.
pub(super) fn nanos(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => scaled(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(nanos, 1_000_000, "ms"),
        1_000_000_000..60_000_000_000 => scaled(nanos, 1_000_000_000, "s"),
        _ => minutes(nanos / 1_000_000_000),
    }
}

/// The same of a [`Duration`].
pub(super) fn duration(duration: Duration) -> String {
    nanos(to_nanos(duration))
}

/// 584 years at most.
pub(super) fn to_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn minutes(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..3_600 => format!("{minutes} min {} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Bytes: `812 B`, `8.12 KiB`, `81.2 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => scaled(bytes, 1 << 10, "KiB"),
        1_048_576..1_073_741_824 => scaled(bytes, 1 << 20, "MiB"),
        _ => scaled(bytes, 1 << 30, "GiB"),
    }
}

/// CPUs, given in thousandths, which is how Kubernetes writes them: `812m`, `8.12`.
pub(super) fn cpus(thousandths: u64) -> String {
    match thousandths {
        0..1_000 => format!("{thousandths}m"),
        _ => decimal(thousandths, 1_000),
    }
}

/// A rate, given in thousandths of one a second: `0.812/s`, `8.12/s`, `812/s`.
pub(super) fn rate(thousandths: u64) -> String {
    format!("{}/s", decimal(thousandths, 1_000))
}

fn scaled(value: u64, unit: u64, name: &str) -> String {
    format!("{} {name}", decimal(value, unit))
}

/// `value / unit`, with three digits at least and no zeros at the end of a fraction.
fn decimal(value: u64, unit: u64) -> String {
    let whole = value / unit;
    let digits = match whole {
        0 => 3,
        1..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let power = 10_u64.pow(digits);
    let fraction = u128::from(value % unit) * u128::from(power) / u128::from(unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{fraction:0width$}", width = digits as usize);
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_the_unit_that_fits() {
        for (text, expected) in [
            (nanos(0), "0 ns"),
            (nanos(812), "812 ns"),
            (nanos(8_120), "8.12 µs"),
            (nanos(81_250_000), "81.2 ms"),
            (nanos(999_999_999), "999 ms"),
            (nanos(8_000_000_000), "8 s"),
            (nanos(812_000_000_000), "13 min 32 s"),
            (duration(Duration::from_secs(7_260)), "2 h 1 min"),
            (duration(Duration::from_secs(200_000)), "2 d 7 h"),
            (duration(Duration::MAX), "213503 d 23 h"),
            (bytes(812), "812 B"),
            (bytes(1_536), "1.5 KiB"),
            (bytes(128 << 20), "128 MiB"),
            (bytes(u64::MAX), "17179869183 GiB"),
            (cpus(500), "500m"),
            (cpus(1_500), "1.5"),
            (rate(812), "0.812/s"),
            (rate(0), "0/s"),
            (rate(812_000), "812/s"),
        ] {
            assert_eq!(text, expected);
        }
    }
}
