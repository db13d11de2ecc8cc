//! What the kernel knows of connections (proc(5)).

use std::fs;
use std::net::SocketAddr;

/// `TCP_ESTABLISHED` of the kernel's `include/net/tcp_states.h`.
const ESTABLISHED: &str = "01";

/// The lines of the kernel's tables that are whole connections from or to this port, in fields.
fn connections(of: &str) -> Vec<Vec<String>> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let lines = tables.iter().flatten().flat_map(|table| table.lines());
    let fields = lines.map(|line| line.split_whitespace().map(str::to_owned).collect());
    let all = fields.filter(|fields: &Vec<String>| fields.len() > 4 && fields[3] == ESTABLISHED);
    all.filter(|fields| fields[1].ends_with(of) || fields[2].ends_with(of))
        .collect()
}

fn port_of(address: SocketAddr) -> String {
    format!(":{:04X}", address.port())
}

/// Whether nothing is under way to this address, and nothing waits there: both sides' queues are empty.
pub(crate) fn is_all_read(address: SocketAddr) -> bool {
    let connections = connections(&port_of(address));
    connections.iter().all(|one| one[4] == "00000000:00000000")
}

/// How many connections a server at this address has, of which neither side has ended its half.
pub(crate) fn established(address: SocketAddr) -> usize {
    let port = port_of(address);
    let connections = connections(&port);
    connections
        .iter()
        .filter(|one| one[1].ends_with(&port))
        .count()
}
