//! The environment of a function.

use libfaas::Environment;

/// Lines of NAME=VALUE: what a host may set, a function reads back.
pub fn environment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let Ok(environment) = Environment::from_vars(variables) else {
        return;
    };
    if let Ok(written) = environment.to_vars() {
        let again = Environment::from_vars(&written).expect("what was written can be read");
        assert_eq!(again.to_vars(), Ok(written));
    }
}
