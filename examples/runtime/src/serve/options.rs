//! The command line of `serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::connection::Address;
use super::cors::Origin;
use super::layout::is_tenant;
use crate::host_args::{HostArgs, duration};
use crate::log::Form;

/// Where the gateway listens if nobody says otherwise.
const GATEWAY: &str = "127.0.0.1:8080";
/// Where the admin API listens if nobody says otherwise.
pub const ADMIN: &str = "127.0.0.1:8081";

/// Serves functions over HTTP and on schedules.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// A manifest; a folder that holds one; a folder of such folders; or a folder of tenants'
    /// folders, which hold folders of functions.
    #[arg(required = true, value_name = "DIR|FILE")]
    pub paths: Vec<PathBuf>,
    /// The tenant of functions that are in no tenant's folder.
    #[arg(long, default_value = "default", value_parser = tenant, value_name = "NAME")]
    pub tenant: String,
    /// Where functions are called: HOST:PORT, or unix:PATH.
    #[arg(long, default_value = GATEWAY, value_name = "ADDRESS")]
    pub listen: Address,
    /// Where the admin API listens: HOST:PORT, or unix:PATH.
    #[arg(long, default_value = ADMIN, value_name = "ADDRESS")]
    pub admin: Address,
    /// The file with the token of the admin API; made if it is not there. Without it:
    /// $XDG_STATE_HOME/faas-runtime/admin-token.
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// A folder whose manifests the admin API may deploy, besides those that are served.
    #[arg(long, value_name = "DIR")]
    pub allow: Vec<PathBuf>,
    /// An origin whose pages may call functions, or *.
    #[arg(long, value_name = "ORIGIN")]
    pub cors_origin: Vec<Origin>,
    /// Give callers the messages of failures too, which may quote what a function wrote to stderr.
    #[arg(long)]
    pub show_messages: bool,
    /// Leave functions as they are when their files change.
    #[arg(long)]
    pub no_watch: bool,
    /// How records look; text at a terminal, else json.
    #[arg(long, value_enum, value_name = "FORM")]
    pub log: Option<Form>,
    /// Instances of a function that are kept although there is no work.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub min_instances: usize,
    /// Instances of a function at once.
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub max_instances: usize,
    /// How long an instance beyond those may stand idle.
    #[arg(long, value_parser = duration, default_value = "1m", value_name = "TIME")]
    pub idle: Duration,
    /// Calls of a function that may wait for an instance.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    pub queue: usize,
    /// Connections at once; others wait to be accepted.
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = connections())]
    pub max_connections: usize,
    /// Isolation and times.
    #[command(flatten)]
    pub host: HostArgs,
}

/// As many as there may be permits for.
fn connections() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=u64::from(u32::MAX >> 3))
}

fn tenant(text: &str) -> Result<String, String> {
    match is_tenant(text) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected 1 to 63 of a-z, 0-9 and -, and none of healthz and readyz".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn there_is_room_for_a_connection_and_not_for_all_in_the_world() {
        let parse = |most: &str| Cli::try_parse_from(["", "serve", ".", "--max-connections", most]);
        assert!(parse("1").is_ok());
        for most in ["0", "18446744073709551615"] {
            assert!(parse(most).is_err(), "{most}");
        }
    }
}
