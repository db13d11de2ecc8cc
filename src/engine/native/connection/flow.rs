//! What is known of a body that flows.

use crate::{
    engine::{
        http1::{Chunks, Refusal},
        underway::Underway,
    },
    message::head::BodyLength,
};
use std::time::Instant;

/// What there is of a request in flight, or behind it, that few have.
#[derive(Default)]
pub(super) struct Behind {
    /// What the client has sent behind it.
    pub(super) bytes: Vec<u8>,
    /// A body that its handler takes as it comes.
    pub(super) flow: Option<Flow>,
}

/// A body that its handler takes as it comes.
pub(super) struct Flow {
    pub(super) left: Left,
    /// What the client said of the connection.
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
    /// None before the handler has said that it takes the body, and while a worker has it.
    pub(super) underway: Option<Box<Underway>>,
    /// Why no more of it is taken.
    pub(super) refusal: Option<Refusal>,
    /// So much of the body has come.
    pub(super) received: u64,
    /// When something last came, or was waited for again.
    pub(super) moved: Instant,
    /// When a piece was handed out.
    pub(super) paused: Option<Instant>,
}

/// What is still to come.
pub(super) enum Left {
    Known(u64),
    Chunked(Chunks),
    Nothing,
}

impl Flow {
    pub(super) fn new(length: BodyLength, limit: u64, now: Instant) -> Flow {
        Flow {
            left: match length {
                BodyLength::Known(bytes) => Left::Known(bytes),
                BodyLength::Chunked => Left::Chunked(Chunks::new(limit)),
            },
            keep_alive: false,
            expects_continue: false,
            underway: None,
            refusal: None,
            received: 0,
            moved: now,
            paused: None,
        }
    }

    /// Takes what belongs to the body out of `input`, appends it to `piece`, and returns how much of the input that was.
    pub(super) fn take(&mut self, input: &[u8], piece: &mut Vec<u8>) -> usize {
        let before = piece.len();
        let used = match &mut self.left {
            Left::Nothing => 0,
            Left::Known(left) => {
                let taken =
                    usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                piece.extend_from_slice(&input[..taken]);
                *left -= taken as u64;
                if *left == 0 {
                    self.left = Left::Nothing;
                }
                taken
            }
            Left::Chunked(chunks) => match chunks.decode(input, piece) {
                Ok((used, is_whole)) => {
                    if is_whole {
                        self.left = Left::Nothing;
                    }
                    used
                }
                Err(refusal) => {
                    self.refusal = Some(refusal);
                    input.len()
                }
            },
        };
        self.received += (piece.len() - before) as u64;
        used
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.refusal.is_some() || matches!(self.left, Left::Nothing)
    }
}
