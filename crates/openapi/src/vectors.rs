//! Both schemes against the vendor's own signing code: what must have been signed, as it is read from the wire.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::Value;
use sluice_access::Scheme;

use crate::{percent, wire};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../contract/signature-vectors.json")).unwrap()
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_default()
}

/// Pairs of an object as a query or a form.
fn pairs(object: &Value) -> String {
    let pair = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{}={}", percent::encode(name), percent::encode(&value))
    };
    object.as_object().into_iter().flatten().map(pair).collect::<Vec<_>>().join("&")
}

fn method(vector: &Value) -> Method {
    text(vector, "method").parse().unwrap()
}

#[test]
fn v1_reads_what_the_vendors_code_signed() {
    let vectors = vectors();
    for vector in vectors["v1"].as_array().unwrap() {
        let title = text(vector, "title");
        let signature = format!("Signature={}", percent::encode(text(vector, "signature")));
        let uri: Uri = format!("/?{}&{signature}", pairs(&vector["query"])).parse().unwrap();
        let mut headers = HeaderMap::new();
        let form = pairs(&vector["form"]);
        if !form.is_empty() {
            headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let call = wire::read(&method(vector), &uri, &headers, form.as_bytes()).unwrap();
        let signed = call.signed.unwrap();
        assert_eq!(
            (signed.scheme, signed.string_to_sign.as_str()),
            (Scheme::V1, text(vector, "string_to_sign")),
            "{title}"
        );
        assert_eq!(signed.signature, text(vector, "signature"), "{title}");
    }
}

#[test]
fn v3_reads_what_the_vendors_code_signed() {
    let vectors = vectors();
    for vector in vectors["v3"].as_array().unwrap() {
        let title = text(vector, "title");
        let query = pairs(&vector["query"]);
        let uri: Uri = if query.is_empty() { "/".parse().unwrap() } else { format!("/?{query}").parse().unwrap() };
        let mut headers = HeaderMap::new();
        for (name, value) in vector["headers"].as_object().unwrap() {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap());
        }
        headers.insert("authorization", text(vector, "authorization").parse().unwrap());
        let call = wire::read(&method(vector), &uri, &headers, text(vector, "body").as_bytes())
            .unwrap_or_else(|error| panic!("{title}: {error}"));
        let signed = call.signed.unwrap();
        assert_eq!(
            (signed.scheme, signed.string_to_sign.as_str()),
            (Scheme::V3, text(vector, "string_to_sign")),
            "{title}"
        );
        assert_eq!(signed.signature, text(vector, "signature"), "{title}");
    }
}
