//! Which traces are kept (<https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling>).

use super::environment::{Rule, Sampling};
use crate::message::trace_context::{TraceContext, ids::TraceId};

/// Whether a span is kept that begins under `parent`, the client's, in the trace of this id.
pub(super) fn is_sampled(
    sampling: Sampling,
    parent: Option<&TraceContext>,
    trace_id: TraceId,
) -> bool {
    match (sampling, parent) {
        (Sampling::ParentBased(_), Some(parent)) => parent.is_sampled(),
        (Sampling::ParentBased(rule) | Sampling::Root(rule), _) => keeps(rule, trace_id),
    }
}

fn keeps(rule: Rule, trace_id: TraceId) -> bool {
    match rule {
        Rule::AlwaysOn => true,
        Rule::AlwaysOff => false,
        // These 56 bits are random, whoever made the id (W3C Trace Context Level 2, section 3.2.2.3).
        Rule::Ratio(least) => low_56_bits(trace_id) >= least,
    }
}

fn low_56_bits(trace_id: TraceId) -> u64 {
    let bytes = trace_id.to_bytes();
    let last = bytes[9..].iter();
    last.fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(is_sampled: bool) -> TraceContext {
        let mut context = TraceContext::random();
        context.record(is_sampled);
        context
    }

    #[test]
    fn a_parent_decides_only_where_it_is_asked() {
        let (sampled, not) = (context(true), context(false));
        for (sampling, of_none, of_not, of_sampled) in [
            (Sampling::Root(Rule::AlwaysOn), true, true, true),
            (Sampling::Root(Rule::AlwaysOff), false, false, false),
            (Sampling::ParentBased(Rule::AlwaysOn), true, false, true),
            (Sampling::ParentBased(Rule::AlwaysOff), false, false, true),
            (
                Sampling::ParentBased(Rule::Ratio(1 << 56)),
                false,
                false,
                true,
            ),
            (Sampling::Root(Rule::Ratio(1 << 56)), false, false, false),
        ] {
            let decisions = [None, Some(&not), Some(&sampled)]
                .map(|parent| is_sampled(sampling, parent, sampled.trace_id()));
            assert_eq!(decisions, [of_none, of_not, of_sampled], "{sampling:?}");
        }
    }

    #[test]
    fn a_ratio_looks_at_the_random_part_of_an_id_alone() {
        let half = Sampling::Root(Rule::Ratio(1 << 55));
        let id = |place: usize, byte: u8| {
            let mut bytes = [0; 16];
            bytes[place] = byte;
            TraceId(bytes)
        };
        assert!(is_sampled(half, None, id(9, 0x80)));
        for other in [id(9, 0x7f), id(8, 0xff), id(0, 0xff), id(15, 0xff)] {
            assert!(!is_sampled(half, None, other), "{other}");
        }
    }

    #[test]
    fn a_ratio_keeps_its_part_of_what_begins_here() {
        let tenth = Sampling::ParentBased(Rule::Ratio((1 << 56) / 10 * 9));
        let begun = (0..20_000).map(|_| TraceId::random());
        let kept = begun.filter(|id| is_sampled(tenth, None, *id)).count();
        // Six standard deviations around 2,000.
        assert!((1_745..=2_255).contains(&kept), "{kept} of 20,000");
    }
}
