//! A handler without end.

use crate::serving::Serving;
use std::{hint::black_box, os::unix::process::ExitStatusExt};

/// Answers with how deep it came, which is never.
pub(crate) fn descend(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    if black_box(depth) == u64::MAX {
        return here[0];
    }
    descend(depth + 1) + here[63]
}

/// What a thread has written beyond its stack nobody knows, so going on would be worse.
pub(crate) fn a_stack_overflow_ends_the_process_and_nobody_takes_it_for_an_answer() {
    const SIGABRT: i32 = 6;
    let service = Serving::start(&[("QUEUE", "queue")]);
    assert_eq!(service.get("/overflow", ""), "");
    assert_eq!(service.ended().signal(), Some(SIGABRT));
}
