//! The response object of Lambda's proxy integrations, in the forms that those who call Lambda for
//! HTTP expect.

use serde_json::{Map, json};

use super::value;
use crate::Response;
use crate::http::Reply;

/// How a form says the headers.
#[derive(Clone, Copy)]
pub(super) enum HeaderForm {
    /// API Gateway v1: `headers`, and `multiValueHeaders` for names that stand more than once.
    Both,
    /// API Gateway v2 and Lambda URLs: `headers`, values joined by commas, and `cookies`.
    Cookies,
    /// ALB without multi-value headers: `headers`, values joined by commas.
    Single,
    /// ALB with multi-value headers: `multiValueHeaders`.
    Multi,
}

/// The response in a form.
pub(super) fn response(reply: &Reply, form: HeaderForm) -> Response {
    let (mut single, mut multi, mut cookies) = (Map::new(), Map::new(), Vec::new());
    for (name, values) in reply.named_headers() {
        match form {
            HeaderForm::Cookies if name == "set-cookie" => cookies = values,
            HeaderForm::Multi => {
                multi.insert(name, values.into());
            }
            HeaderForm::Both if values.len() > 1 => {
                multi.insert(name, values.into());
            }
            // Cookies can't be joined, and there is one place.
            HeaderForm::Single if name == "set-cookie" => {
                single.insert(name, values[0].into());
            }
            _ => {
                single.insert(name, values.join(",").into());
            }
        }
    }
    let mut response = Map::new();
    response.insert("statusCode".into(), reply.status.into());
    for (name, headers) in [("headers", single), ("multiValueHeaders", multi)] {
        if !headers.is_empty() {
            response.insert(name.into(), headers.into());
        }
    }
    if matches!(form, HeaderForm::Cookies) {
        response.insert("cookies".into(), cookies.into());
    }
    let (body, is_base64) = reply.text_or_base64();
    response.insert("body".into(), body.into());
    response.insert("isBase64Encoded".into(), json!(is_base64));
    value(response.into())
}
