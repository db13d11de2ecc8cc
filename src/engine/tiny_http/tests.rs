//! Over real sockets on the loopback interface: what tiny_http does is what is tested here.

mod bodies;
mod endings;
mod harness;
mod refusals;
mod requests;
mod troubles;
