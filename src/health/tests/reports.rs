//! The forms of a report, and what may be left out of it.

use super::*;

fn ask_json(health: &Health, target: &str, accept: &'static str) -> (u16, String, String) {
    let request =
        Request::get(target).with_header(header::ACCEPT, HeaderValue::from_static(accept));
    let response = health.answer(&request, Phase::Running).unwrap();
    (
        response.status().as_u16(),
        // Text has its type from the engine.
        response
            .headers()
            .get(header::CONTENT_TYPE)
            .map_or(String::new(), |value| value.to_str().unwrap().to_owned()),
        String::from_utf8(response.body().unwrap().to_vec()).unwrap(),
    )
}

/// One check that is off and degrades, and one that is on.
fn two_checks() -> (Health, [checks::switch::Switch; 2]) {
    let (cache, cache_switch) = Check::switch("cache");
    let (traffic, traffic_switch) = Check::switch("traffic");
    cache_switch.off();
    let health = health([cache.degraded().tags(["storage", "shared"]), traffic]);
    (health, [cache_switch, traffic_switch])
}

#[test]
fn a_dashboard_that_asks_for_health_json_gets_it() {
    let (health, [_, traffic]) = two_checks();
    let (status, media_type, json) = ask_json(&health, "/readyz", "application/health+json");
    assert_eq!((status, media_type.as_str()), (200, HEALTH_JSON));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["status"], "warn");
    assert_eq!(json["checks"]["ping"][0]["status"], "pass");
    assert_eq!(json["checks"]["shutdown"][0]["status"], "pass");
    let cache = &json["checks"]["cache"][0];
    assert_eq!(cache["status"], "warn");
    assert_eq!(cache["output"], "reason withheld");
    assert_eq!(cache["tags"], serde_json::json!(["storage", "shared"]));
    let time = cache["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");

    traffic.off();
    let (status, _, json) = ask_json(
        &health,
        "/readyz",
        "text/html, Application/Health+JSON;q=0.5",
    );
    assert_eq!(status, 503);
    assert!(json.starts_with("{\"status\":\"fail\""), "{json}");
    let (status, _, json) = ask_json(&health, "/readyz?exclude=traffic", HEALTH_JSON);
    assert_eq!(status, 200);
    assert!(!json.contains("traffic"), "{json}");
}

#[test]
fn a_word_that_names_no_check_is_told_in_json_too() {
    let (health, _switches) = two_checks();
    let (_, _, json) = ask_json(&health, "/readyz?exclude=no%22such&tag=none", HEALTH_JSON);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let notes = [
        r#"some health checks cannot be excluded: no matches for "no\"such""#,
        r#"no health check has the tag "none""#,
    ];
    assert_eq!(json["notes"], serde_json::json!(notes));
}

#[test]
fn whoever_takes_anything_or_refuses_json_gets_text() {
    let (health, _switches) = two_checks();
    for accept in [
        "*/*",
        "text/plain",
        "application/*",
        "application/json",
        "application/health+json;q=0, */*",
        "application/health+json; charset=utf-8; q=0.000",
    ] {
        let (status, media_type, text) = ask_json(&health, "/readyz", accept);
        assert_eq!((status, text.as_str()), (200, "ok"), "{accept}");
        assert_eq!(media_type, "", "{accept}");
    }
}

#[test]
fn a_tag_asks_for_those_that_have_it_and_for_what_is_built_in() {
    let (health, [cache, traffic]) = two_checks();
    traffic.off();
    let ask_tagged = |target| ask(&health, target, Phase::Running);
    assert_eq!(ask_tagged("/readyz").0, 503);
    let (status, report) = ask_tagged("/readyz?verbose&tag=storage");
    assert_eq!(status, 200, "{report}");
    assert!(report.contains("[+]cache degraded"), "{report}");
    assert!(!report.contains("traffic"), "{report}");
    assert_eq!(ask(&health, "/readyz?tag=storage", Phase::Draining).0, 503);
    let (_, report) = ask_tagged("/readyz?verbose&tag=nosuch");
    assert!(
        report.contains("warn: no health check has the tag \"nosuch\"\n"),
        "{report}"
    );
    cache.on();
    assert!(
        ask_tagged("/readyz?verbose&tag=shared")
            .1
            .contains("[+]cache ok\n")
    );
}

#[test]
fn the_kubelet_may_leave_the_shutdown_out_but_not_where_a_liveness_probe_has_failed() {
    let (alive, switch) = Check::switch("alive");
    let health = health([alive.not_alive()]);
    const KUBELET: &str = "/readyz?exclude=shutdown";
    assert_eq!(ask(&health, "/readyz", Phase::Draining).0, 503);
    assert_eq!(ask(&health, KUBELET, Phase::Draining).0, 200);

    switch.off();
    assert_eq!(
        ask(&health, KUBELET, Phase::Draining).0,
        200,
        "nobody has been told yet that it is not alive"
    );
    assert_eq!(ask(&health, "/livez", Phase::Running).0, 503);
    switch.on();
    let (status, report) = ask(&health, KUBELET, Phase::Draining);
    assert_eq!(status, 503);
    assert!(report.contains("[-]shutdown failed"), "{report}");
    assert!(
        report.contains("warn: shutdown is not excluded"),
        "{report}"
    );
    assert_eq!(ask(&health, KUBELET, Phase::Running).0, 200);

    let past = Instant::now().checked_sub(NOT_ALIVE_COUNTS_FOR + Duration::from_millis(1));
    *health.not_alive_at() = Some(past.expect("the machine has run for half a minute"));
    assert_eq!(ask(&health, KUBELET, Phase::Draining).0, 200);
}
