//! What a request's headers say of how its call runs.

use std::time::Duration;

use http::HeaderMap;
use libfaas::Context;

use super::Refusal;

/// The header by which a client bounds its request.
const TIMEOUT: &str = "fsi-timeout-ms";

/// How long a client is willing to wait; None: as long as the function may take.
pub type Bound = Option<Duration>;

/// Reads `fsi-timeout-ms`.
///
/// # Errors
///
/// A value that is no decimal integer, or several.
pub fn bound(headers: &HeaderMap) -> Result<Bound, Refusal> {
    let mut values = headers.get_all(TIMEOUT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return match headers.contains_key(TIMEOUT) {
            false => Ok(None),
            true => Err(invalid("several")),
        };
    };
    let digits = value.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid(&digits.escape_ascii().to_string()));
    }
    // More milliseconds than fit are more than any function may take.
    let millis = value.to_str().ok().and_then(|digits| digits.parse().ok());
    Ok(Some(Duration::from_millis(millis.unwrap_or(u64::MAX))))
}

fn invalid(came: &str) -> Refusal {
    Refusal::invalid(format!(
        "header `{TIMEOUT}`: expected one decimal number of milliseconds, got {came}"
    ))
}

/// The trace and the baggage of a request, in an otherwise empty context. What is not valid is
/// dropped (`http-trace-invalid`), and `tracestate` means nothing without a `traceparent`.
pub fn trace(headers: &HeaderMap) -> Context {
    let mut context = Context::default();
    let one = |name| match &all(headers, name)[..] {
        [one] => one.clone(),
        _ => String::new(),
    };
    context.traceparent = valid(one("traceparent"), |context| &mut context.traceparent);
    if !context.traceparent.is_empty() {
        let joined = all(headers, "tracestate").join(",");
        context.tracestate = valid(joined, |context| &mut context.tracestate);
    }
    let joined = all(headers, "baggage").join(",");
    context.baggage = valid(joined, |context| &mut context.baggage);
    context
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let texts = headers.get_all(name).iter();
    // Bytes that are no visible ASCII stand for themselves, so that they are found invalid.
    texts
        .map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
        .collect()
}

fn valid(text: String, field: fn(&mut Context) -> &mut String) -> String {
    let mut context = Context::default();
    field(&mut context).clone_from(&text);
    match context.validate() {
        Ok(()) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn bounds() {
        let bound = |list: &[_]| bound(&headers(list)).map(|bound| bound.map(|b| b.as_millis()));
        assert_eq!(bound(&[]), Ok(None));
        assert_eq!(bound(&[(TIMEOUT, "1500")]), Ok(Some(1500)));
        assert_eq!(bound(&[(TIMEOUT, "0")]), Ok(Some(0)));
        let huge = "99999999999999999999999";
        assert_eq!(bound(&[(TIMEOUT, huge)]), Ok(Some(u128::from(u64::MAX))));
        for bad in ["", "+1", "-1", "1.5", "1s", "0x10", "\u{661}"] {
            assert_eq!(bound(&[(TIMEOUT, bad)]).unwrap_err().http, 400, "{bad}");
        }
        assert!(bound(&[(TIMEOUT, "1"), (TIMEOUT, "1")]).is_err());
    }

    #[test]
    fn valid_traces_pass() {
        let context = trace(&headers(&[
            ("traceparent", PARENT),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
            ("baggage", "user=7"),
        ]));
        assert_eq!(context.traceparent, PARENT);
        assert_eq!(context.tracestate, "a=1,b=2");
        assert_eq!(context.baggage, "user=7");
        assert!(context.invocation_id.is_empty() && context.deadline_ms.is_none());
    }

    #[test]
    fn invalid_traces_are_dropped_whole() {
        for parents in [
            &["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"][..],
            &["00-00000000000000000000000000000000-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"],
            &[PARENT, PARENT],
            &["\u{e9}"],
            &[""],
        ] {
            let mut list: Vec<_> = parents.iter().map(|one| ("traceparent", *one)).collect();
            list.push(("tracestate", "a=1"));
            assert_eq!(trace(&headers(&list)), Context::default(), "{parents:?}");
        }
        let state = trace(&headers(&[("traceparent", PARENT), ("tracestate", "A=1")]));
        assert_eq!(
            (state.traceparent.as_str(), state.tracestate.as_str()),
            (PARENT, "")
        );
    }

    proptest! {
        #[test]
        fn what_passes_is_valid(parent: Vec<u8>, state in "[a-z=,; ]{0,40}", baggage in "[ -~]{0,40}") {
            let mut headers = headers(&[("tracestate", &state), ("baggage", &baggage)]);
            if let Ok(value) = HeaderValue::from_bytes(&parent) {
                headers.insert("traceparent", value);
            }
            prop_assert!(trace(&headers).validate().is_ok());
            headers.insert("traceparent", HeaderValue::from_static(PARENT));
            prop_assert!(trace(&headers).validate().is_ok());
        }
    }
}
