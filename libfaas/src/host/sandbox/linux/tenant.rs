//! The user that a tenant's functions run as.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The first number that is given out, beyond what distributions and containers use.
const FIRST: u32 = 0x7000_0000;
/// How many there are.
const COUNT: u32 = 0x0f00_0000;

/// The number of the tenant's user and group, the same for the life of the host and nobody else's.
///
/// It follows from the name, so that hosts agree on it; where two names meet, the second one that
/// this host sees gets the next free number.
pub(super) fn user(tenant: &str) -> u32 {
    static GIVEN: Mutex<Option<HashMap<u32, String>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    pick(given.get_or_insert_default(), tenant, place(tenant))
}

fn pick(given: &mut HashMap<u32, String>, tenant: &str, place: u32) -> u32 {
    let mut user = place;
    loop {
        match given.get(&user) {
            Some(holder) if holder == tenant => return FIRST + user,
            Some(_) => user = (user + 1) % COUNT,
            None => {
                given.insert(user, tenant.to_owned());
                return FIRST + user;
            }
        }
    }
}

/// FNV-1a, which is the same in every version of everything.
fn place(tenant: &str) -> u32 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = tenant.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    (hash % u64::from(COUNT)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tenants_share_a_user() {
        let mut given = HashMap::new();
        let users: Vec<u32> = ["a", "b", "c"]
            .map(|tenant| pick(&mut given, tenant, COUNT - 1))
            .into();
        assert_eq!(users, [FIRST + COUNT - 1, FIRST, FIRST + 1]);
        assert_eq!(pick(&mut given, "b", COUNT - 1), FIRST);
    }

    #[test]
    fn a_tenant_keeps_its_user() {
        assert_eq!(user("acme"), user("acme"));
        assert_ne!(user("acme"), user("globex"));
        // The same in every version, so that two hosts agree.
        assert_eq!(place("acme"), 0xef6de0f);
    }
}
