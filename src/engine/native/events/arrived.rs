//! What a wait returns, however it is done.

use mio::Token;

/// How many events one wait returns at most. It is also how many short requests run before the sockets are looked at
/// again, so it bounds how long a probe waits for them.
pub(crate) const EVENTS: usize = 64;

/// The timer's token; connections count from 0.
pub(crate) const TIMER: Token = Token(usize::MAX - 2);

/// An event of a socket, or of what else is watched.
pub(crate) struct Arrived {
    pub(crate) token: Token,
    pub(crate) is_readable: bool,
    pub(crate) is_read_closed: bool,
}
