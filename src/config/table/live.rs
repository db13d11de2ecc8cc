//! Those of seaworthy's settings that a running service follows.

use super::{AccessLog, Config};
use crate::config::live::Cell;
use log::LevelFilter;
use std::{sync::Arc, time::Duration};

/// Each line is one setting that is live: its field here and in [`Config`], and its type. It has to be read by
/// `Settings::read_live`, or `config` would not call it live.
macro_rules! live_settings {
    ($($field:ident: $type:ty,)*) => {
        /// The settings that may change while the service runs, each as it is now. What reads one keeps it for no longer
        /// than one answer.
        pub(crate) struct LiveConfig {
            $(pub(crate) $field: Cell<$type>,)*
        }

        impl LiveConfig {
            /// As settings are called.
            #[cfg(test)]
            const FIELDS: &[&str] = &[$(stringify!($field),)*];

            pub(crate) fn of(config: &Config) -> Arc<LiveConfig> {
                Arc::new(LiveConfig { $($field: Cell::new(config.$field),)* })
            }

            /// Takes over what `config` has of them.
            pub(crate) fn follow(&self, config: &Config) {
                $(self.$field.set(config.$field);)*
            }
        }
    };
}

live_settings! {
    log_level: LevelFilter,
    access_log: AccessLog,
    queue_timeout: Duration,
    head_timeout: Duration,
    body_timeout: Duration,
    write_timeout: Duration,
    keep_alive_timeout: Duration,
    max_connection_age: Option<Duration>,
    request_timeout: Option<Duration>,
    drain_delay: Duration,
    shutdown_timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{limits::Limits, settings::Settings};

    #[test]
    fn what_config_calls_live_is_followed_and_nothing_else_is() {
        let mut settings = Settings::from_pairs([]);
        Config::from_settings(&mut settings, &Limits::read());
        let entries = settings.entries().iter();
        let live = entries.filter(|entry| entry.is_live);
        let mut live: Vec<String> = live.map(|entry| entry.name.to_lowercase()).collect();
        let mut followed = LiveConfig::FIELDS.to_vec();
        live.sort_unstable();
        followed.sort_unstable();
        assert_eq!(live, followed);
    }
}
