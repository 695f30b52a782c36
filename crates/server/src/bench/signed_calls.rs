//! Calls of the management API by one key, over connections that are kept.

use std::time::Instant;

use serde_json::Value;

use crate::{
    api_command::{self, ApiError},
    cli::{ApiArgs, Product},
};

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Call(#[from] ApiError),
    #[error("{operation} was refused: {code}")]
    Refused { operation: &'static str, code: String },
}

/// Signs calls with a key. Its clones share the connections.
#[derive(Clone)]
pub(super) struct SignedCalls {
    endpoint: String,
    access_key_id: String,
    access_key_secret: String,
    agent: ureq::Agent,
}

impl SignedCalls {
    pub(super) fn new(endpoint: &str, access_key_id: &str, access_key_secret: &str) -> Self {
        let agent = api_command::agent();
        let (access_key_id, access_key_secret) = (access_key_id.to_owned(), access_key_secret.to_owned());
        Self { endpoint: endpoint.to_owned(), access_key_id, access_key_secret, agent }
    }

    /// Makes a call; its reply, and when it was there. Blocks.
    pub(super) fn call(
        &self,
        product: Product,
        operation: &'static str,
        parameters: &[(&str, &str)],
    ) -> Result<(Value, Instant), CallError> {
        let args = ApiArgs {
            product,
            operation: operation.to_owned(),
            parameters: parameters.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            endpoint: self.endpoint.clone(),
            access_key_id: self.access_key_id.clone(),
            access_key_secret: self.access_key_secret.clone(),
            security_token: None,
        };
        let answer = api_command::call(&self.agent, &args, jiff::Timestamp::now())?;
        let replied = Instant::now();
        if !answer.is_success {
            let code = answer.code().unwrap_or_else(|| "a reply without a Code".to_owned());
            return Err(CallError::Refused { operation, code });
        }
        Ok((serde_json::from_str(&answer.body).unwrap_or_default(), replied))
    }
}
