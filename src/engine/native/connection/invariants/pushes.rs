//! Answers that a script pushes bit by bit.

use super::{Play, answers::Answer, phrases::PATTERN};
use crate::message::response::Response;
use http::StatusCode;

impl Play {
    /// An answer whose body the script pushes from now on.
    pub(super) fn channel(&mut self, kind: usize) -> (Response, Answer) {
        let (sender, response) = Response::channel(1 + kind % 4);
        self.sender = Some(sender);
        let answer = Answer {
            is_head: false,
            status: StatusCode::OK,
            body: Vec::new(),
            fails: false,
        };
        (response, answer)
    }

    /// Pushes some bytes, or the end, or drops what pushes.
    pub(super) fn push(&mut self, kind: usize) {
        let (Some(sender), Some(answer)) = (self.sender.take(), self.answers.last_mut()) else {
            return;
        };
        match kind {
            255 => sender.finish(),
            254 => {
                answer.fails = !answer.is_head;
                drop(sender);
            }
            _ => {
                let bytes = &PATTERN[..PATTERN.len().min(kind * 100)];
                if sender.try_send(bytes).is_ok() {
                    assert!(bytes.is_empty() || !answer.is_head, "HEAD has no body");
                    answer.body.extend_from_slice(bytes);
                }
                self.sender = Some(sender);
            }
        }
        self.rig.hear();
    }
}
