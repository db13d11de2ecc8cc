//! What epoll calls the connections: by their places, and by which of a place's connections they are. An event may come
//! late where two threads wait, and must not be taken for one of the next connection that has the place.

use mio::Token;

/// From the token of a place's connection to that of its next one. Places count from 0 and are fewer than this.
const GENERATION: usize = 1 << 20;

/// For each place the token of its connection, or of its next one where it is free.
#[derive(Default)]
pub(crate) struct Tokens(Vec<Token>);

impl Tokens {
    /// There is one place more.
    pub(super) fn add_place(&mut self) {
        self.0.push(Token(self.0.len()));
    }

    pub(crate) fn token(&self, place: usize) -> Token {
        self.0[place]
    }

    /// The place whose connection has this token.
    #[inline]
    pub(crate) fn place(&self, token: Token) -> Option<usize> {
        let place = token.0 % GENERATION;
        (self.0.get(place) == Some(&token)).then_some(place)
    }

    /// The place's connection has ended.
    pub(super) fn end(&mut self, place: usize) {
        self.0[place].0 = self.0[place].0.wrapping_add(GENERATION);
    }
}
