//! `sluice api`: one call signed with ACS3-HMAC-SHA256. Source: openapi/wire.md section 3.
//!
//! Parameters go as a form: an address holds less than 64 KiB, and some parameters are longer.

use std::{fmt::Write as _, io::Write, process::ExitCode};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sluice_openapi::percent_encode;

use crate::cli::{ApiArgs, Product};

/// Why a call could not be made; a refusal by the server is not one of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("the parameter `{0}` is not of the form Key=Value")]
    Parameter(String),
    #[error("`{0}` is not an endpoint such as http://127.0.0.1:8080")]
    Endpoint(String),
    #[error("the server at `{endpoint}` did not answer: {fault}")]
    NoAnswer { endpoint: String, fault: String },
    #[error("cannot write the reply: {0}")]
    Output(#[from] std::io::Error),
}

impl Product {
    fn version(self) -> &'static str {
        match self {
            Self::Ram => "2015-05-01",
            Self::Onsmqtt => "2020-04-20",
            Self::Sts => "2015-04-01",
            Self::Ims => "2019-08-15",
        }
    }
}

/// What the server answered.
pub(crate) struct Answer {
    /// Whether it was done.
    pub(crate) is_success: bool,
    /// JSON.
    pub(crate) body: String,
}

impl Answer {
    /// The code of a refusal.
    pub(crate) fn code(&self) -> Option<String> {
        let reply = serde_json::from_str::<serde_json::Value>(&self.body).ok()?;
        Some(reply.get("Code")?.as_str()?.to_owned())
    }
}

/// Makes the call and prints the reply; exit 1 and the error's code on stderr when it is refused.
pub(crate) fn run(args: &ApiArgs, now: jiff::Timestamp, out: &mut impl Write) -> Result<ExitCode, ApiError> {
    let answer = call(&agent(), args, now)?;
    writeln!(out, "{}", answer.body)?;
    if answer.is_success {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(std::io::stderr(), "{}", answer.code().as_deref().unwrap_or("the reply has no Code"))?;
    Ok(ExitCode::FAILURE)
}

/// What keeps the connections of several calls.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().new_agent()
}

/// Makes the call. Blocks until it is answered.
pub(crate) fn call(agent: &ureq::Agent, args: &ApiArgs, now: jiff::Timestamp) -> Result<Answer, ApiError> {
    let host = args.endpoint.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let host = host.filter(|host| !host.is_empty() && !host.contains('/'));
    let host = host.ok_or_else(|| ApiError::Endpoint(args.endpoint.clone()))?;
    let form = form(&args.parameters)?;
    let headers = signed_headers(args, host, &form, now);

    let mut request = agent.post(format!("http://{host}/"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let no_answer =
        |error: ureq::Error| ApiError::NoAnswer { endpoint: args.endpoint.clone(), fault: error.to_string() };
    let mut reply = request.send(&form).map_err(no_answer)?;
    let body = reply.body_mut().read_to_string().map_err(no_answer)?;
    Ok(Answer { is_success: reply.status().is_success(), body })
}

/// `Key=Value` each, as a form.
fn form(parameters: &[String]) -> Result<String, ApiError> {
    let mut pairs = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').ok_or_else(|| ApiError::Parameter(parameter.clone()))?;
        pairs.push((name, value));
    }
    let encoded: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value))).collect();
    Ok(encoded.join("&"))
}

fn signed_headers(args: &ApiArgs, host: &str, form: &str, now: jiff::Timestamp) -> Vec<(&'static str, String)> {
    let body_hash = hex::encode(Sha256::digest(form));
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("host", host.to_owned()),
        ("x-acs-action", args.operation.clone()),
        ("x-acs-content-sha256", body_hash.clone()),
        ("x-acs-date", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ("x-acs-signature-nonce", sluice_access::random::token()),
        ("x-acs-version", args.product.version().to_owned()),
    ];
    if let Some(token) = args.security_token.as_deref().filter(|token| !token.is_empty()) {
        // The headers are signed in the order of their names.
        headers.insert(headers.len() - 2, ("x-acs-security-token", token.to_owned()));
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = "POST\n/\n\n".to_owned();
    for (name, value) in &headers {
        writeln!(canonical, "{name}:{value}").expect("writing to a String cannot fail");
    }
    write!(canonical, "\n{names}\n{body_hash}").expect("writing to a String cannot fail");
    let string_to_sign = format!("ACS3-HMAC-SHA256\n{}", hex::encode(Sha256::digest(canonical)));
    let mut mac = Hmac::<Sha256>::new_from_slice(args.access_key_secret.as_bytes()).expect("HMAC takes any key");
    mac.update(string_to_sign.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let key = &args.access_key_id;
    headers.push((
        "Authorization",
        format!("ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"),
    ));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_percent_encoded() {
        let given = ["B=x y*~".to_owned(), "A=/+=".to_owned()];
        assert_eq!(form(&given).unwrap(), "B=x%20y%2A~&A=%2F%2B%3D");
        assert!(form(&["nothing".to_owned()]).is_err());
    }
}
