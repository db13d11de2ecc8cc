use crate::config::{
    limits::Limits,
    settings::Settings,
    table::{Config, sizes::Sizes},
};

fn limits(cpu_quota: f64, mebibytes: u64) -> Limits {
    Limits {
        cpus: 64,
        cpu_quota: Some(cpu_quota),
        memory_limit: Some(mebibytes << 20),
        descriptor_limit: Some(1024),
    }
}

fn read(pairs: &[(&str, &str)]) -> Config {
    let mut settings = Settings::from_pairs(pairs.iter().copied());
    Config::from_settings(&mut settings, &limits(0.5, 64))
}

#[test]
fn the_sizes_under_the_limits_that_a_configuration_was_read_with_are_its_own() {
    let all = [
        ("WORKERS", "3"),
        ("QUEUE_CAPACITY", "5"),
        ("MAX_CONNECTIONS", "5000"),
        ("BUFFER_MEMORY", "1MiB"),
        ("MAX_BODY_BYTES", "2MiB"),
    ];
    for given in 0..1 << all.len() {
        let is_given = |(number, _): &(usize, _)| given & 1 << number != 0;
        let pairs = all.iter().copied().enumerate().filter(is_given);
        let pairs: Vec<_> = pairs.map(|(_, pair)| pair).collect();
        let config = read(&pairs);
        assert_eq!(config.sizing().under(&limits(0.5, 64)), config.sizes());
    }
}

#[test]
fn what_was_not_set_follows_the_limits_and_what_was_set_does_not() {
    let grown = read(&[]).sizing().under(&limits(2.0, 4));
    let expected = Sizes {
        workers: 64,
        queue_capacity: 4096,
        max_connections: 682,
        buffer_memory: 1 << 20,
        max_body_bytes: 512 << 10,
    };
    assert_eq!(grown, expected);
    let config = read(&[("WORKERS", "4"), ("BUFFER_MEMORY", "16MiB")]);
    let sizes = config.sizing().under(&limits(2.0, 4));
    assert_eq!((sizes.workers, sizes.buffer_memory), (4, 16 << 20));
    // The queue follows the workers, which do not follow.
    assert_eq!((sizes.queue_capacity, sizes.max_connections), (256, 682));
}

#[test]
fn a_body_that_was_lowered_for_want_of_memory_is_as_large_as_it_was_to_be_once_there_is_some() {
    let config = read(&[("MAX_BODY_BYTES", "20MiB")]);
    assert_eq!(config.max_body_bytes, 8 << 20);
    let sizes = config.sizing().under(&limits(0.5, 1024));
    assert_eq!(sizes.max_body_bytes, 20 << 20);
}

#[test]
fn what_the_program_has_changed_does_not_follow_the_limits() {
    let mut config = read(&[]);
    config.workers = 7;
    config.max_connections = 10;
    let sizes = config.sizing().under(&limits(2.0, 4));
    assert_eq!((sizes.workers, sizes.max_connections), (7, 10));
    assert_eq!(sizes.buffer_memory, 1 << 20);
}

#[test]
fn sizes_are_shown_as_the_settings_that_they_are() {
    let mut settings = Settings::from_pairs([]);
    let config = Config::from_settings(&mut settings, &Limits::read());
    for (name, shown) in config.sizes().shown() {
        let entry = settings.entries().iter().find(|entry| entry.name == name);
        assert_eq!(entry.expect("a setting").shown, shown, "{name}");
    }
}
