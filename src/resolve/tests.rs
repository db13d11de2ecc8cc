use super::*;
use AddrFamily::{Inet, Inet6};
use std::cell::RefCell;

fn addresses(of: &[&str]) -> Vec<SocketAddr> {
    of.iter().map(|address| address.parse().unwrap()).collect()
}

/// What is found where the families answer so, and which of them were asked before the first address and in all.
fn found(
    families: [AddrFamily; 2],
    ipv4: Result<&[&str], &str>,
    ipv6: Result<&[&str], &str>,
) -> Result<(Vec<SocketAddr>, usize, usize), String> {
    let asked = RefCell::new(0);
    let ask = |family, host: &str| {
        assert_eq!(host, "db");
        *asked.borrow_mut() += 1;
        let answer = if family == Inet { ipv4 } else { ipv6 };
        answer.map(addresses).map_err(io::Error::other)
    };
    let found = one_by_one(families, "db".to_owned(), ask);
    let found = found.map_err(|error| error.to_string())?;
    let before = *asked.borrow();
    let found = found.collect();
    Ok((found, before, asked.into_inner()))
}

const V4: [&str; 2] = ["192.0.2.1:80", "192.0.2.2:80"];
const V6: [&str; 1] = ["[2001:db8::1]:80"];

#[test]
fn one_family_that_fails_does_not_take_the_others_addresses_along() {
    let both = addresses(&[V4[0], V4[1], V6[0]]);
    let turned = addresses(&[V6[0], V4[0], V4[1]]);
    let order = [Inet, Inet6];
    assert_eq!(found(order, Ok(&V4), Ok(&V6)), Ok((both, 1, 2)));
    assert_eq!(found([Inet6, Inet], Ok(&V4), Ok(&V6)), Ok((turned, 1, 2)));
    let (v4, v6) = (addresses(&V4), addresses(&V6));
    assert_eq!(found(order, Ok(&V4), Err("refused")), Ok((v4, 1, 2)));
    assert_eq!(found(order, Err("refused"), Ok(&V6)), Ok((v6, 2, 2)));
}

#[test]
fn a_host_without_any_address_is_named_with_the_reason_for_each_family() {
    let error = found([Inet, Inet6], Err("try again"), Err("no such name")).unwrap_err();
    assert_eq!(
        error,
        "db has no address: IPv4: try again; IPv6: no such name"
    );
}

#[test]
fn ipv6_comes_first_only_where_there_is_no_way_out_by_ipv4() {
    for (ipv4, ipv6) in [(true, true), (true, false), (false, false)] {
        assert_eq!(in_order(ipv4, ipv6), [Inet, Inet6]);
    }
    assert_eq!(in_order(false, true), [Inet6, Inet]);
}

#[test]
fn an_address_is_its_own_and_a_name_has_what_the_system_says() {
    let of = |host: &str| -> Vec<SocketAddr> { resolve(host, 80).unwrap().collect() };
    assert_eq!(of("127.0.0.1"), addresses(&["127.0.0.1:80"]));
    assert_eq!(of("::1"), addresses(&["[::1]:80"]));
    // The file of hosts has it; who looks further asks a name server.
    let first = resolve("localhost", 80).unwrap().next();
    assert!(first.is_some_and(|address| address.ip().is_loopback()));
}

#[test]
fn what_is_no_name_is_an_error_that_names_it() {
    // What no name server is asked about.
    for host in ["a..b", "nul\0byte"] {
        let error = resolve(host, 80).err().expect(host).to_string();
        assert!(
            error.starts_with(&format!("{host} has no address: IPv4: ")),
            "{error}"
        );
        assert!(error.contains("; IPv6: "), "{error}");
    }
}
