//! Network namespaces, one for each live instance.
//!
//! Making one takes longer than everything else together, so a tenant's next instance gets one that
//! an earlier one has left: nothing is in it but the sockets of processes, which are gone.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use super::namespace;

/// How many are kept for later, of all tenants together.
const KEPT: usize = 256;

static FREE: Mutex<Option<HashMap<u32, Vec<OwnedFd>>>> = Mutex::new(None);

/// An instance's network namespace, with nothing in it. Given back when dropped, which has to be
/// after the last of its processes is gone.
#[derive(Debug)]
pub(super) struct Network {
    user: u32,
    namespace: Option<OwnedFd>,
}

impl Network {
    /// Has the calling thread, which is away from home, enter one of the tenant's.
    pub(super) fn enter(user: u32) -> io::Result<Network> {
        let free = FREE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .and_then(|free| free.get_mut(&user)?.pop());
        let namespace = match free {
            Some(namespace) => {
                namespace::enter(namespace.as_fd(), libc::CLONE_NEWNET)?;
                namespace
            }
            None => {
                namespace::unshare(libc::CLONE_NEWNET)?;
                namespace::own("net")?
            }
        };
        Ok(Network {
            user,
            namespace: Some(namespace),
        })
    }
}

impl Network {
    /// Never gives it to another instance: something may still be in it.
    pub(super) fn discard(&mut self) {
        self.namespace = None;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let Some(namespace) = self.namespace.take() else {
            return;
        };
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let free = free.get_or_insert_default();
        if free.values().map(Vec::len).sum::<usize>() < KEPT {
            free.entry(self.user).or_default().push(namespace);
        }
    }
}
