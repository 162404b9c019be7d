//! Which function a request is for.
//!
//! `/<tenant>/<function>` calls the function by its name, with POST, as a trigger without `methods`
//! would. The paths of its `http` triggers are taken below `/<tenant>`. An event that is posted to
//! `/<tenant>` alone goes to whatever functions of the tenant have `events` triggers for it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use libfaas::{Manifest, Trigger};

/// The routes of all tenants. A path is looked up below its tenant and nowhere else
/// (`http-tenant-route`).
#[derive(Clone, Debug, Default)]
pub struct Routes {
    tenants: BTreeMap<String, BTreeMap<String, Vec<Route>>>,
}

#[derive(Clone, Debug)]
struct Route {
    path: Pattern,
    methods: Vec<String>,
}

/// A path of a trigger. The order is that of specificity: the greatest that matches is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    /// Everything at and below this path.
    Below(Length, String),
    Exact(String),
}

type Length = usize;

/// What a request's path and method lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This function.
    Function {
        /// Whose function it is.
        tenant: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// All functions of this tenant that an event may be for.
    Tenant(&'a str),
    /// A route that has only other methods.
    Methods(BTreeSet<&'a str>),
    /// No route.
    Nothing,
}

/// Two functions of a tenant want the same requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a path and method of its own for each function of a tenant, got {method} {path} in an \
     http trigger, which belongs to the function {owner}; give one of the two another path"
)]
pub struct Conflict {
    /// The path as the manifest has it.
    pub path: String,
    /// The method that both want.
    pub method: String,
    /// The function that has it.
    pub owner: String,
}

impl Routes {
    /// Whether the manifest's triggers leave the routes of the tenant's other functions alone.
    ///
    /// # Errors
    ///
    /// The first path that another function has.
    pub fn check(&self, tenant: &str, manifest: &Manifest) -> Result<(), Conflict> {
        let Some(functions) = self.tenants.get(tenant) else {
            return Ok(());
        };
        for trigger in &manifest.triggers {
            let Trigger::Http { path, methods } = trigger else {
                continue;
            };
            let pattern = Pattern::new(path);
            for (owner, routes) in functions.iter().filter(|(name, _)| **name != manifest.name) {
                let same = routes.iter().filter(|route| route.path == pattern);
                let taken = same.flat_map(|route| &route.methods);
                if let Some(method) = taken.into_iter().find(|method| methods.contains(method)) {
                    return Err(Conflict {
                        path: path.clone(),
                        method: method.clone(),
                        owner: owner.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Gives a function the routes of its manifest, in place of those that it had.
    pub fn put(&mut self, tenant: &str, manifest: &Manifest) {
        let triggers = manifest
            .triggers
            .iter()
            .filter_map(|trigger| match trigger {
                Trigger::Http { path, methods } => Some(Route {
                    path: Pattern::new(path),
                    methods: methods.clone(),
                }),
                _ => None,
            });
        self.tenants
            .entry(tenant.to_owned())
            .or_default()
            .insert(manifest.name.clone(), triggers.collect());
    }

    /// Takes a function's routes away.
    pub fn remove(&mut self, tenant: &str, name: &str) {
        if let Some(functions) = self.tenants.get_mut(tenant) {
            functions.remove(name);
            if functions.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }

    /// What `method` on `path` leads to. A function's name goes before the triggers of others, and
    /// of those the most specific path that has the method.
    pub fn find(&self, method: &str, path: &str) -> Found<'_> {
        let path = normal(path);
        let below = path.strip_prefix('/').unwrap_or_default();
        let (tenant, rest) = match below.find('/') {
            Some(at) => below.split_at(at),
            None => (below, ""),
        };
        let Some((tenant, functions)) = self.tenants.get_key_value(tenant) else {
            return Found::Nothing;
        };
        let mut methods = BTreeSet::new();
        let mut best: Option<(&Pattern, &str)> = None;
        if rest.is_empty() {
            if method == "POST" {
                return Found::Tenant(tenant);
            }
            methods.insert("POST");
        } else if let Some((name, _)) = functions.get_key_value(&rest[1..]) {
            if method == "POST" {
                return Found::Function { tenant, name };
            }
            methods.insert("POST");
        }
        for (name, routes) in functions {
            for route in routes.iter().filter(|route| route.path.matches(rest)) {
                methods.extend(route.methods.iter().map(String::as_str));
                let better = best.is_none_or(|(path, _)| route.path > *path);
                if better && route.methods.iter().any(|one| one == method) {
                    best = Some((&route.path, name));
                }
            }
        }
        match best {
            Some((_, name)) => Found::Function { tenant, name },
            None if methods.is_empty() => Found::Nothing,
            None => Found::Methods(methods),
        }
    }

    /// The methods that `path` has, for those who ask with OPTIONS.
    pub fn methods(&self, path: &str) -> BTreeSet<&str> {
        // No method has this name, so what is found are the ones that there are.
        match self.find("", path) {
            Found::Methods(methods) => methods,
            _ => BTreeSet::new(),
        }
    }
}

impl Pattern {
    fn new(path: &str) -> Pattern {
        let path = normal(path);
        match path.strip_suffix("/*") {
            Some(base) => Pattern::Below(base.len(), base.to_owned()),
            None => Pattern::Exact(path.into_owned()),
        }
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Pattern::Exact(exact) => path == exact,
            Pattern::Below(_, base) => path
                .strip_prefix(base.as_str())
                .is_some_and(|rest| rest.starts_with('/') || rest.is_empty() && !base.is_empty()),
        }
    }
}

/// The one way to write a path among those that RFC 3986, section 6.2.2, calls equivalent. A
/// character that no path can have is percent-encoded, as clients do with it; dots are segments
/// like others.
pub(crate) fn normal(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|b| b != b'%' && in_path(b)) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        let triplet = match (byte, bytes.as_slice()) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match triplet {
            Some((high, low)) => {
                bytes.nth(1);
                match high << 4 | low {
                    b if unreserved(b) => out.push(char::from(b)),
                    b => push_encoded(&mut out, b),
                }
            }
            None if in_path(byte) => out.push(char::from(byte)),
            None => push_encoded(&mut out, byte),
        }
    }
    Cow::Owned(out)
}

fn push_encoded(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986's `pchar` without `%`, and `/`.
fn in_path(byte: u8) -> bool {
    unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn manifest(name: &str, triggers: &str) -> Manifest {
        let text = format!(
            "{{fsi: '1.0', name: {name}, command: [x], modes: [stream], triggers: [{triggers}]}}"
        );
        Manifest::from_yaml(&text).unwrap()
    }

    fn routes() -> Routes {
        let mut routes = Routes::default();
        routes.put(
            "acme",
            &manifest("thumb", "{http: {path: /pictures/*, methods: [GET, POST]}}"),
        );
        routes.put(
            "acme",
            &manifest(
                "one",
                "{http: {path: /pictures/one}}, {http: {path: /caf\u{e9}}}",
            ),
        );
        routes.put(
            "acme",
            &manifest("rest", "{http: {path: '/*', methods: [GET]}}"),
        );
        routes.put("other", &manifest("secret", ""));
        routes
    }

    fn found(method: &str, path: &str) -> String {
        match routes().find(method, path) {
            Found::Function { tenant, name } => format!("{tenant}/{name}"),
            Found::Tenant(tenant) => format!("{tenant}/"),
            Found::Methods(methods) => methods.into_iter().collect::<Vec<_>>().join(" "),
            Found::Nothing => "-".to_owned(),
        }
    }

    #[test]
    fn finds_by_name_then_by_the_most_specific_path() {
        for (method, path, expected) in [
            ("POST", "/acme/thumb", "acme/thumb"),
            ("POST", "/acme/%74humb", "acme/thumb"),
            ("POST", "/acme", "acme/"),
            ("GET", "/acme", "POST"),
            ("POST", "/acme/pictures", "acme/thumb"),
            ("POST", "/acme/pictures/", "acme/thumb"),
            ("POST", "/acme/pictures/two/x", "acme/thumb"),
            ("POST", "/acme/pictures/one", "acme/one"),
            // The exact path has no GET, the one above it has.
            ("GET", "/acme/pictures/one", "acme/thumb"),
            ("GET", "/acme/thumb", "acme/rest"),
            ("GET", "/acme/", "acme/rest"),
            ("PUT", "/acme/pictures/one", "GET POST"),
            ("POST", "/acme/caf%c3%A9", "acme/one"),
            ("POST", "/acme/caf\u{e9}", "acme/one"),
            ("POST", "/acme/picturesque", "GET"),
            ("POST", "/other/secret", "other/secret"),
            ("POST", "/other/thumb", "-"),
            ("POST", "/nobody/secret", "-"),
            ("POST", "/", "-"),
            ("POST", "", "-"),
            ("POST", "//acme/thumb", "-"),
        ] {
            assert_eq!(found(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn no_path_leads_out_of_its_tenant() {
        for path in [
            "/acme/../other/secret",
            "/acme/%2e%2e/other/secret",
            "/acme/..%2Fother%2Fsecret",
            "/acme%2F..%2Fother/secret",
            "/acme/pictures/../../other/secret",
            "/acme\\other/secret",
            "/other%2Fsecret",
        ] {
            for method in ["GET", "POST"] {
                let found = found(method, path);
                assert!(!found.contains("secret"), "{method} {path}: {found}");
            }
        }
    }

    #[test]
    fn a_path_has_one_owner_for_each_method() {
        let routes = routes();
        let check = |tenant, name, triggers| routes.check(tenant, &manifest(name, triggers));
        let same = "{http: {path: /%70ictures/one}}";
        let conflict = check("acme", "two", same).unwrap_err();
        assert_eq!(
            (conflict.owner.as_str(), conflict.method.as_str()),
            ("one", "POST")
        );
        assert_eq!(check("acme", "one", same), Ok(()));
        assert_eq!(check("other", "two", same), Ok(()));
        let get = "{http: {path: /pictures/one, methods: [GET]}}";
        assert_eq!(check("acme", "two", get), Ok(()));
    }

    #[test]
    fn an_update_takes_the_old_routes_away() {
        let mut routes = routes();
        routes.put("acme", &manifest("one", ""));
        let one = Found::Function {
            tenant: "acme",
            name: "one",
        };
        assert_ne!(routes.find("POST", "/acme/pictures/one"), one);
        assert_eq!(routes.find("POST", "/acme/one"), one);
        routes.remove("acme", "one");
        assert_eq!(
            routes.find("POST", "/acme/one"),
            Found::Methods(["GET"].into())
        );
        routes.remove("other", "secret");
        assert_eq!(routes.find("POST", "/other"), Found::Nothing);
    }

    #[test]
    fn options_are_the_methods_of_the_route() {
        let methods = |path| {
            routes()
                .methods(path)
                .into_iter()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(methods("/acme/thumb"), "GET POST");
        assert_eq!(methods("/other/secret"), "POST");
        assert_eq!(methods("/other/nothing"), "");
    }

    proptest! {
        #[test]
        fn a_path_has_one_normal_form(path in "(/|%[0-9a-fA-F]{2}|[ -~]|\\PC){0,20}") {
            let once = normal(&path).into_owned();
            prop_assert_eq!(normal(&once), once.as_str());
            prop_assert!(once.bytes().all(|b| b == b'%' || in_path(b)));
        }

        /// Whatever stands behind a tenant's name, it is that tenant's function.
        #[test]
        fn any_path_stays_below_its_tenant(rest in "(/|\\.\\.|%2[eEfF]|other|secret|thumb|pictures|[ -~]){0,8}", post: bool) {
            let routes = routes();
            let path = format!("/acme/{rest}");
            let found = routes.find(if post { "POST" } else { "GET" }, &path);
            let kept = match found {
                Found::Function { tenant, .. } | Found::Tenant(tenant) => tenant == "acme",
                Found::Methods(_) | Found::Nothing => true,
            };
            prop_assert!(kept);
        }
    }
}
