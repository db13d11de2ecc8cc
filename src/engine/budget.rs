//! A bound on a sum that many threads add to, in parts: a sum on one cache line would travel between the processors for
//! every request.
//!
//! Each part has a grant, and the grants together are no more than the bound. A part within its grant looks at nobody
//! else's; one that is beyond it has all parts summed up and the rest divided anew. So the bound is exact, whoever has used
//! how much of it, and nearly always costs what one counter costs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// One part of a bounded sum, and the way to the others.
pub(crate) struct Budget {
    mine: Arc<Part>,
    whole: Arc<Whole>,
}

/// Two cache lines, since processors fetch them in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Part {
    used: AtomicUsize,
    granted: AtomicUsize,
}

struct Whole {
    most: AtomicUsize,
    /// The most that a part is granted beyond what it uses.
    step: usize,
    parts: Box<[Arc<Part>]>,
    granting: Mutex<()>,
}

impl Budget {
    /// A bound of `most` in so many parts, none of which is ever granted more than `step` together beyond what is used. The
    /// first of them.
    pub(crate) fn new(most: usize, step: usize, parts: usize) -> Budget {
        let whole = Arc::new(Whole {
            most: AtomicUsize::new(most),
            step: step / parts,
            parts: (0..parts).map(|_| Arc::default()).collect(),
            granting: Mutex::default(),
        });
        whole.grant();
        let mine = Arc::clone(&whole.parts[0]);
        Budget { mine, whole }
    }

    /// The part of this number, of the same sum.
    pub(crate) fn part(&self, number: usize) -> Budget {
        Budget {
            mine: Arc::clone(&self.whole.parts[number]),
            whole: Arc::clone(&self.whole),
        }
    }

    /// The bound.
    pub(crate) fn most(&self) -> usize {
        self.whole.most.load(SeqCst)
    }

    /// From now on there is another bound. What is used beyond it stands.
    pub(crate) fn resize(&self, most: usize) {
        self.whole.most.store(most, SeqCst);
        self.whole.grant();
    }

    /// Whether any of it is used in this part.
    #[inline]
    pub(crate) fn is_used_here(&self) -> bool {
        self.mine.used.load(SeqCst) > 0
    }

    /// Whether some of it is left. Nobody else's part is looked at where this one has some of its grant.
    #[inline]
    pub(crate) fn has_left(&self) -> bool {
        self.mine.used.load(SeqCst) < self.mine.granted.load(SeqCst) || self.used() < self.most()
    }

    /// Whether more is used than the bound. Likewise.
    #[inline]
    pub(crate) fn is_exceeded(&self) -> bool {
        self.mine.used.load(SeqCst) > self.mine.granted.load(SeqCst) && self.used() > self.most()
    }

    /// What is used, in all parts.
    pub(crate) fn used(&self) -> usize {
        self.whole.used()
    }

    /// Adds so much, and says whether this part is within its grant still; what is beyond it may be within the bound all
    /// the same, as [`is_kept`](Budget::is_kept) tells.
    #[inline]
    pub(crate) fn add(&self, count: usize) -> bool {
        let used = self.mine.used.fetch_add(count, SeqCst) + count;
        used <= self.mine.granted.load(SeqCst)
    }

    /// Whether all parts together are within the bound.
    #[cold]
    pub(crate) fn is_kept(&self) -> bool {
        self.whole.grant()
    }

    /// Takes away what was added here.
    #[inline]
    pub(crate) fn subtract(&self, count: usize) {
        let used = self.mine.used.fetch_sub(count, SeqCst) - count;
        let most = used.saturating_add(self.whole.step);
        if self.mine.granted.load(SeqCst) > most {
            self.mine.granted.fetch_min(most, SeqCst);
        }
    }

    /// Adds one where that is within the bound.
    #[inline]
    pub(crate) fn take_one(&self) -> bool {
        self.add(1) || self.keep_one()
    }

    /// Of several who add the last one at a time, each in its part, the last to come here has it: the others have taken
    /// theirs away by then.
    #[cold]
    fn keep_one(&self) -> bool {
        let _granting = self.whole.lock();
        let is_kept = self.whole.grant_locked();
        if !is_kept {
            self.mine.used.fetch_sub(1, SeqCst);
        }
        is_kept
    }
}

impl Whole {
    #[cold]
    fn used(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| part.used.load(SeqCst)).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        self.granting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Divides what is left among the parts. False where nothing is, for more is used than there is.
    fn grant(&self) -> bool {
        let _granting = self.lock();
        self.grant_locked()
    }

    fn grant_locked(&self) -> bool {
        // Whoever adds from now on is beyond its grant and comes here too; whoever did before is counted.
        for part in &self.parts {
            part.granted.store(0, SeqCst);
        }
        // Read once, so that the grants are no more together than there is: what is added meanwhile is beyond its own.
        let used = self.parts.iter().map(|part| part.used.load(SeqCst));
        let used: Vec<usize> = used.collect();
        let Some(left) = self.most.load(SeqCst).checked_sub(used.iter().sum()) else {
            return false;
        };
        let each = (left / self.parts.len()).min(self.step);
        for (part, used) in self.parts.iter().zip(used) {
            part.granted.store(used.saturating_add(each), SeqCst);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn split(most: usize, parts: usize) -> Vec<Budget> {
        let first = Budget::new(most, usize::MAX, parts);
        (0..parts).map(|number| first.part(number)).collect()
    }

    #[test]
    fn one_part_can_have_all_that_the_others_leave() {
        let parts = split(10, 3);
        assert!((0..8).all(|_| parts[0].take_one()));
        assert!(parts[1].take_one() && parts[2].take_one());
        assert!(parts.iter().all(|part| !part.take_one()));
        parts[0].subtract(1);
        assert!(parts[2].take_one() && !parts[0].take_one());
        assert_eq!(parts[1].used(), 10);
    }

    #[test]
    fn what_stands_beyond_a_lowered_bound_is_not_replaced() {
        let parts = split(10, 2);
        assert!((0..10).all(|_| parts[0].take_one()));
        parts[1].resize(4);
        for _ in 0..6 {
            assert!(!parts[0].take_one() && !parts[1].take_one());
            parts[0].subtract(1);
        }
        assert!(!parts[1].take_one());
        parts[0].subtract(1);
        assert!(parts[1].take_one() && !parts[0].take_one());
    }

    #[test]
    fn the_bound_is_exact_whoever_adds_at_a_time_and_the_last_one_is_always_had() {
        const MOST: usize = 5;
        let parts = split(MOST, 3);
        let most_seen = AtomicUsize::new(0);
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for part in &parts {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for _ in 0..10_000 {
                            if part.take_one() {
                                let now = inside.fetch_add(1, SeqCst) + 1;
                                most_seen.fetch_max(now, SeqCst);
                                inside.fetch_sub(1, SeqCst);
                                part.subtract(1);
                            }
                        }
                    });
                }
            }
        });
        assert!(most_seen.load(SeqCst) <= MOST && parts[0].used() == 0);
        assert!((0..MOST).all(|one| parts[one % 3].take_one()) && !parts[0].take_one());
    }
}
