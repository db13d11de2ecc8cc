//! What the environment says of the sampler.

use crate::config::settings::Settings;

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// By the rule alone, whatever a parent says.
    Root(Rule),
    /// As the parent says, and where there is none by the rule.
    ParentBased(Rule),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    AlwaysOn,
    AlwaysOff,
    /// Those whose trace id ends in 56 bits that are, as a number, no less than this: so that every service that looks at a
    /// trace decides alike (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>).
    Ratio(u64),
}

pub(super) fn read(settings: &mut Settings) -> Sampling {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    let given = settings.optional(NAME).unwrap_or_default();
    let argument = settings.optional(ARGUMENT);
    let given = given.to_ascii_lowercase();
    let own = given.strip_prefix("parentbased_");
    let rule = match own.unwrap_or(&given) {
        "always_on" => Rule::AlwaysOn,
        "always_off" => Rule::AlwaysOff,
        "traceidratio" => ratio(settings, argument),
        unknown => {
            if !unknown.is_empty() {
                let problem = "expected always_on, always_off or traceidratio, each with parentbased_ before it or without";
                settings.reject(NAME, problem);
            }
            return Sampling::ParentBased(Rule::AlwaysOn);
        }
    };
    match own {
        Some(_) => Sampling::ParentBased(rule),
        None => Sampling::Root(rule),
    }
}

const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

fn ratio(settings: &mut Settings, argument: Option<String>) -> Rule {
    let ratio = match argument.as_deref().map(billionths) {
        None => BILLION,
        Some(Some(ratio)) if ratio <= BILLION => ratio,
        Some(_) => {
            settings.reject(
                ARGUMENT,
                "expected the part of traces to record, as a decimal number from 0.0 to 1.0",
            );
            BILLION
        }
    };
    let all = u128::from(BILLION);
    Rule::Ratio((u128::from(BILLION - ratio) * (1 << 56) / all) as u64)
}

const BILLION: u64 = 1_000_000_000;

/// A decimal number such as `0.25` in billionths, of which there are no parts. Parsing floats would weigh 14 KB, for a table
/// of powers.
fn billionths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let fraction = fraction.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    whole.checked_mul(BILLION)?.checked_add(fraction)
}
