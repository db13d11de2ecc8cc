use mio::Token;

/// An event of a socket, or of what else is watched.
pub(crate) struct Arrived {
    pub(crate) token: Token,
    pub(crate) is_readable: bool,
    pub(crate) is_read_closed: bool,
}
