use super::*;

#[test]
fn host_and_port_are_read_from_any_url_that_is_one() {
    let rows = [
        ("postgres://host/db", "host", 5432),
        ("postgres://host", "host", 5432),
        ("postgres://host:/db", "host", 5432),
        ("postgresql://u@host/db", "host", 5432),
        ("POSTGRES://u:p@Host:6000/db", "Host", 6000),
        ("postgres://u:p@host:5433/db?sslmode=require", "host", 5433),
        ("postgres://u:p@host?sslmode=require", "host", 5432),
        ("postgres://u:@host/db", "host", 5432),
        ("postgres://@host/db", "host", 5432),
        ("mysql://u:p@db.example/shop", "db.example", 3306),
        ("mariadb://u:p@db_1/shop", "db_1", 3306),
        ("redis://:p@cache/0", "cache", 6379),
        ("rediss://cache:6380", "cache", 6380),
        ("mongodb+srv://u:p@host:27017/db", "host", 27017),
        ("postgres://u:p@192.0.2.1/db", "192.0.2.1", 5432),
        ("postgres://u:p@[2001:db8::1]/db", "2001:db8::1", 5432),
        ("postgres://u:p@[2001:db8::1]:6000/db", "2001:db8::1", 6000),
        ("postgres://u:p@[::1]:", "::1", 5432),
        ("postgres://[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", 1),
        // Whatever is in the password.
        ("postgres://u:p%40ss%23w%2Fo%3Frd@host/db", "host", 5432),
        ("postgres://u%40corp:p%25@host:1/db", "host", 1),
        ("postgres://u:p:w:1@host/db", "host", 5432),
        ("postgres://u:a-b.c_d~e!$&'()*+,;=f@host/db", "host", 5432),
        ("postgres://evil.example:5432%40@host/db", "host", 5432),
        // Behind the host colons and the like are nobody's business.
        ("postgres://host/a:b?c=d:1/e&f=%40%23", "host", 5432),
    ];
    for (url, host, port) in rows {
        let host = host.to_owned();
        assert_eq!(Database::parse(url), Ok(Database { host, port }), "{url}");
    }
}

#[test]
fn a_url_whose_host_would_have_to_be_guessed_is_refused() {
    let rows = [
        // RFC 3986 ends the authority at the first of `/`, `?` and `#`: host `u`.
        "postgres://u:p#w@host/db",
        "postgres://u:1#w@host/db",
        "postgres://u:1/w@host/db",
        "postgres://u:1?w@host/db",
        "postgres://u#@host/db",
        "postgres://#@host/db",
        // Of several `@` the first counts to some and the last to others.
        "postgres://u:p@ss@host/db",
        "postgres://u:p@evil.example@host/db",
        "postgres://u@corp:p@host/db",
        "postgres://u:p@@host/db",
        "postgres://u:p@evil.example/x@host/db",
        "postgres://u:p@evil.example#@host/db",
        "postgres://u:p@evil.example?@host/db",
        "postgres://u:p@host/db#fragment",
        "postgres://u:p@host#@evil.example/db",
        // A slash to browsers.
        r"postgres://evil.example\@host/db",
        r"postgres://u:p\@host/db",
        "postgres://[::1]:1@host/db",
        "postgres://u:p w@host/db",
        "postgres://u:p\t@host/db",
        "postgres://u:p\n@host/db",
        "postgres://u:pä@host/db",
        "postgres://u:p%@host/db",
        "postgres://u:p%4@host/db",
        "postgres://u:p%zz@host/db",
        "postgres://u:p%é@host/db",
    ];
    for url in rows {
        assert_eq!(Database::parse(url), Err(NOT_ENCODED), "{url}");
    }
}

#[test]
fn what_is_no_url_of_a_database_is_refused_with_the_reason_and_without_the_secret() {
    let no_port = "the URL has no port, and its scheme is not postgres, mysql or redis, whose ports are known";
    let bad_port = "the URL's port is no number from 1 to 65535";
    let no_host = "the URL has no host";
    let no_ipv6 = "the URL has no IPv6 address between its brackets";
    let bad_host = "the URL's host is neither a name nor an IP address";
    let rows = [
        ("hunter2", NO_URL),
        ("postgres", NO_URL),
        ("postgres:host", NO_URL),
        ("postgres:/host", NO_URL),
        ("//hunter2@host/db", NO_URL),
        ("://u:hunter2@host/db", NO_URL),
        ("1sql://u:hunter2@host/db", NO_URL),
        ("post gres://u:hunter2@host/db", NO_URL),
        (" postgres://u:hunter2@host/db", NO_URL),
        ("u:hunter2@postgres://host/db", NO_URL),
        ("sqlite://u:hunter2@host/db", no_port),
        ("postgres://", no_host),
        ("postgres:///hunter2", no_host),
        ("postgres://u:hunter2@", no_host),
        ("postgres://u:hunter2@/db", no_host),
        ("postgres://u:hunter2@:5432/db", no_host),
        ("postgres://u:hunter2", bad_port),
        ("postgres://u:hunter2@host:port/db", bad_port),
        ("postgres://u:hunter2@host:0/db", bad_port),
        ("postgres://u:hunter2@host:65536/db", bad_port),
        ("postgres://u:hunter2@host:+80/db", bad_port),
        ("postgres://u:hunter2@host:80:81/db", bad_port),
        ("postgres://u:hunter2@a:1,b:2/db", bad_port),
        ("postgres://u:hunter2@[::1]:x/db", bad_port),
        ("postgres://u:hunter2@[::1/db", no_ipv6),
        ("postgres://u:hunter2@[host]/db", no_ipv6),
        ("postgres://u:hunter2@[192.0.2.1]/db", no_ipv6),
        ("postgres://u:hunter2@[v1.x]/db", no_ipv6),
        ("postgres://u:hunter2@[]/db", no_ipv6),
        ("postgres://u:hunter2@[::1]host/db", NO_URL),
        ("postgres://u:hunter2@::1/db", no_host),
        ("postgres://u:hunter2@a,b/db", bad_host),
        ("postgres://u:hunter2@db example/db", bad_host),
        ("postgres://u:hunter2@%2Fvar%2Frun/db", bad_host),
        ("postgres://u:hunter2@hôst/db", bad_host),
        (r"postgres://u:hunter2@host\db", bad_host),
    ];
    for (url, problem) in rows {
        assert_eq!(Database::parse(url), Err(problem), "{url}");
        assert!(!problem.contains("hunter2"));
    }
}
