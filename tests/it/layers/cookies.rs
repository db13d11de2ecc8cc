//! Cookies, from an answer into the next request.

use seaworthy::cookie::Key;
use seaworthy::{Error, IntoResponse, Request, Service};

use super::ask;
use crate::service::{end, serve};
use crate::support::{self, Engine};

both_engines! {
    who_was_signed_in_is_known_until_signed_out_and_nobody_forges_it,
}

fn sign_in(request: &Request, key: &Key) -> impl IntoResponse {
    let mut jar = request.cookies();
    jar.signed_mut(key)
        .add(("user", request.param("name").to_owned()));
    jar.add(("greeted", "yes, of course"));
    (jar, "welcome")
}

fn sign_out(request: &Request, _: &Key) -> impl IntoResponse {
    let mut jar = request.cookies();
    jar.remove("user");
    jar
}

fn who(request: &Request, key: &Key) -> Result<String, Error> {
    let jar = request.cookies();
    let user = jar
        .signed(key)
        .get("user")
        .ok_or_else(Error::unauthorized)?;
    let greeted = jar.get("greeted").map_or("no", |cookie| cookie.value());
    Ok(format!("{} {greeted}", user.value()))
}

fn set_by(answer: &support::Response) -> Vec<&str> {
    let is_set = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("set-cookie");
    let set = answer.headers.iter().filter(is_set);
    set.map(|(_, value)| value.as_str()).collect()
}

fn who_was_signed_in_is_known_until_signed_out_and_nobody_forges_it(engine: Engine) {
    let service = Service::with_state("test", Key::from(&[7; 64]))
        .post("/in/{name}", sign_in)
        .post("/out", sign_out)
        .get("/", who);
    let running = serve(service, engine);
    let address = running.addr();
    let signed_in = ask(address, &["POST /in/J%C3%BCrgen", "Content-Length: 0"]).expect(200);
    let set = set_by(&signed_in);
    assert_eq!(set.len(), 2, "{set:?}");
    for line in &set {
        assert!(
            line.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"),
            "{line}"
        );
    }
    let pairs: Vec<&str> = set
        .iter()
        .filter_map(|line| line.split(';').next())
        .collect();
    let brought = format!("Cookie: {}", pairs.join("; "));
    let known = ask(address, &["GET /", &brought]).expect(200);
    assert_eq!(known.text(), "Jürgen yes, of course");
    let forged = brought.replace("J%C3%BCrgen", "Anna");
    assert_ne!(forged, brought);
    ask(address, &["GET /", &forged]).expect(401);
    ask(address, &["GET /", "Cookie: user=Anna"]).expect(401);
    let signed_out = ask(address, &["POST /out", "Content-Length: 0", &brought]).expect(200);
    let set = set_by(&signed_out);
    assert_eq!(set.len(), 1, "{set:?}");
    assert!(
        set[0].starts_with("user=; ") && set[0].contains("Max-Age=0"),
        "{set:?}"
    );
    end(running);
}
