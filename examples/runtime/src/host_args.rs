//! The options of a host that every command of the runtime has: isolation and times.

use std::time::Duration;

use clap::{Args, ValueEnum};
use libfaas::host::{Level, Means, Missing, Sandbox, Settings, Times};

/// How functions are isolated, and how long each step of their lives may take.
#[derive(Args, Clone, Debug)]
pub struct HostArgs {
    /// The isolation that every instance must have: `auto` is the highest that this machine allows.
    #[arg(long, value_enum, default_value_t = Isolation::Auto, value_name = "LEVEL")]
    pub isolation: Isolation,
    /// From the start of an instance to its hello.
    #[arg(long, value_parser = duration, default_value = "10s", value_name = "TIME")]
    pub init: Duration,
    /// From a cancel to the end of its call.
    #[arg(long, value_parser = duration, default_value = "1s", value_name = "TIME")]
    pub cancel_grace: Duration,
    /// From the end of an instance's stdin to SIGTERM.
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "TIME")]
    pub drain: Duration,
    /// From SIGTERM to SIGKILL.
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "TIME")]
    pub sigterm_grace: Duration,
    /// The longest that one attempt of a call may take, whatever the manifest says.
    #[arg(long, value_parser = duration, default_value = "1m", value_name = "TIME")]
    pub timeout: Duration,
}

/// A level of isolation, or whatever can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// What every host does.
    None,
    /// Hygiene.
    #[value(name = "I1", alias = "i1")]
    I1,
    /// Multi-tenant.
    #[value(name = "I2", alias = "i2")]
    I2,
    /// The highest that this machine allows.
    Auto,
}

/// The isolation that functions get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The level.
    pub level: Level,
    /// What keeps its promises.
    pub means: Means,
    /// What the steps of an instance's life may take.
    pub times: Times,
    /// Higher levels that this machine does not allow, and why.
    pub missing: Vec<Missing>,
}

impl Claim {
    /// The level's name in claims.
    pub fn name(&self) -> &'static str {
        match self.level {
            Level::None => "none",
            Level::Hygiene => "I1",
            Level::MultiTenant => "I2",
        }
    }
}

impl HostArgs {
    /// The settings that these options ask for, and the isolation that they come to.
    ///
    /// # Errors
    ///
    /// A level was asked for by its name, and this machine does not allow it.
    pub fn settings(&self) -> Result<(Settings, Claim), Missing> {
        let mut claim = match self.isolation {
            Isolation::None => claim(&[Level::None])?,
            Isolation::I1 => claim(&[Level::Hygiene])?,
            Isolation::I2 => claim(&[Level::MultiTenant])?,
            Isolation::Auto => claim(&[Level::MultiTenant, Level::Hygiene, Level::None])?,
        };
        let mut settings = Settings {
            producer: concat!("faas-runtime ", env!("CARGO_PKG_VERSION")).into(),
            level: claim.level,
            ..Settings::default()
        };
        settings.times.init = self.init;
        settings.times.cancel_grace = self.cancel_grace;
        settings.times.drain = self.drain;
        settings.times.term_grace = self.sigterm_grace;
        claim.times = settings.times;
        settings.ceilings.timeout = Some(self.timeout);
        Ok((settings, claim))
    }
}

/// The first of these levels that this machine allows, else why not the last.
fn claim(levels: &[Level]) -> Result<Claim, Missing> {
    let mut missing = Vec::new();
    for &level in levels {
        match Sandbox::probe(level) {
            Ok(means) => {
                return Ok(Claim {
                    level,
                    means,
                    times: Times::default(),
                    missing,
                });
            }
            Err(reason) => missing.push(reason),
        }
    }
    Err(missing.pop().expect("a list of levels has a last one"))
}

/// A time as manifests have it, like `250ms` or `1m30s`; longer than zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|time| Duration::try_from(time).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "expected a duration like 250ms, 10s or 1m30s, longer than zero".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                duration(text).map(|time| time.as_millis()),
                Ok(millis),
                "{text}"
            );
        }
        for text in ["", "10", "-1s", "0s", "soon", "1d", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn auto_says_what_is_missing() {
        let claim = claim(&[Level::MultiTenant, Level::Hygiene, Level::None]).unwrap();
        let above = [Level::None, Level::Hygiene, Level::MultiTenant];
        let above = above
            .into_iter()
            .filter(|level| *level > claim.level)
            .count();
        assert_eq!(claim.missing.len(), above);
    }
}
