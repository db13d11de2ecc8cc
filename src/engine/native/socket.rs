//! A connection's stream over a real socket.

use super::connection::Stream;
use mio::net::TcpStream;
use socket2::SockRef;
use std::{net::Shutdown, time::Duration};

impl Stream for TcpStream {
    fn close_sending(&self) {
        // The other side may be gone already, which is as good.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn abort_on_close(&self, abort: bool) {
        let _ = SockRef::from(self).set_linger(abort.then_some(Duration::ZERO));
    }
}
