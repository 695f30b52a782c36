//! What the account demands of its users' passwords: SetPasswordPolicy, GetPasswordPolicy.
//!
//! Ranges and defaults: facts/ram.md section 2. `MaxLoginAttemps` is spelled so on the wire.

use serde::Serialize;
use sluice_model::{Action, PasswordPolicy, RamEntity, Resource};
use sluice_store::By;

use crate::{Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row, operation::optional};

/// The policy as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(clippy::struct_excessive_bools, reason = "the fields of the wire")]
pub struct PasswordPolicyReply {
    /// Fewest characters.
    pub minimum_password_length: u32,
    /// Whether a lower-case letter is needed.
    pub require_lowercase_characters: bool,
    /// Whether an upper-case letter is needed.
    pub require_uppercase_characters: bool,
    /// Whether a digit is needed.
    pub require_numbers: bool,
    /// Whether a symbol is needed.
    pub require_symbols: bool,
    /// Whether nobody gets in with an expired password.
    pub hard_expiry: bool,
    /// Days; 0 is never.
    pub max_password_age: u32,
    /// Passwords back.
    pub password_reuse_prevention: u32,
    /// Wrong ones in a row that lock for an hour.
    pub max_login_attemps: u32,
}

/// `{PasswordPolicy}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OnePasswordPolicy {
    /// The policy.
    pub password_policy: PasswordPolicyReply,
}

impl OnePasswordPolicy {
    fn of(policy: &PasswordPolicy) -> Self {
        let password_policy = PasswordPolicyReply {
            minimum_password_length: policy.characters_min,
            require_lowercase_characters: policy.lower_case,
            require_uppercase_characters: policy.upper_case,
            require_numbers: policy.numbers,
            require_symbols: policy.symbols,
            hard_expiry: policy.hard_expiry,
            max_password_age: policy.age_days_max,
            password_reuse_prevention: policy.reuse_prevention,
            max_login_attemps: policy.login_attempts_max,
        };
        Self { password_policy }
    }
}

/// Changes the policy; what is `None` stays. Passwords that are in use stay so until they are changed or expire.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in the reply")]
pub struct SetPasswordPolicy {
    pub minimum_password_length: Option<u32>,
    pub require_lowercase_characters: Option<bool>,
    pub require_uppercase_characters: Option<bool>,
    pub require_numbers: Option<bool>,
    pub require_symbols: Option<bool>,
    pub hard_expiry: Option<bool>,
    pub max_password_age: Option<u32>,
    pub password_reuse_prevention: Option<u32>,
    pub max_login_attemps: Option<u32>,
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}

impl Act for SetPasswordPolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "SetPasswordPolicy",
        actions: &[Action::of("ram:SetPasswordPolicy")],
        resource: "*",
        parameters: &[
            optional("MinimumPasswordLength"),
            optional("RequireLowercaseCharacters"),
            optional("RequireUppercaseCharacters"),
            optional("RequireNumbers"),
            optional("RequireSymbols"),
            optional("HardExpiry"),
            optional("MaxPasswordAge"),
            optional("PasswordReusePrevention"),
            optional("MaxLoginAttemps"),
        ],
    };
    type Output = OnePasswordPolicy;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            minimum_password_length: params.ranged("MinimumPasswordLength", 8..=32)?,
            require_lowercase_characters: params.boolean("RequireLowercaseCharacters")?,
            require_uppercase_characters: params.boolean("RequireUppercaseCharacters")?,
            require_numbers: params.boolean("RequireNumbers")?,
            require_symbols: params.boolean("RequireSymbols")?,
            hard_expiry: params.boolean("HardExpiry")?,
            max_password_age: params.ranged("MaxPasswordAge", 0..=1_095)?,
            password_reuse_prevention: params
                .ranged("PasswordReusePrevention", 0..=PasswordPolicy::REUSE_PREVENTION_MAX)?,
            max_login_attemps: params.ranged("MaxLoginAttemps", 0..=32)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OnePasswordPolicy, ActionError> {
        let by = By::Permit(granted.permit()?);
        let change = move |settings: &mut sluice_model::SignInSettings| {
            let policy = &mut settings.password;
            set(&mut policy.characters_min, self.minimum_password_length);
            set(&mut policy.lower_case, self.require_lowercase_characters);
            set(&mut policy.upper_case, self.require_uppercase_characters);
            set(&mut policy.numbers, self.require_numbers);
            set(&mut policy.symbols, self.require_symbols);
            set(&mut policy.hard_expiry, self.hard_expiry);
            set(&mut policy.age_days_max, self.max_password_age);
            set(&mut policy.reuse_prevention, self.password_reuse_prevention);
            set(&mut policy.login_attempts_max, self.max_login_attemps);
        };
        let changed = context.store().change_sign_in_settings(by, context.account(), change).await?;
        Ok(OnePasswordPolicy::of(&changed.password))
    }
}

/// Shows the policy.
#[derive(Clone, Copy, Debug)]
pub struct GetPasswordPolicy;

impl Act for GetPasswordPolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetPasswordPolicy",
        actions: &[Action::of("ram:GetPasswordPolicy")],
        resource: "*",
        parameters: &[],
    };
    type Output = OnePasswordPolicy;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<OnePasswordPolicy, ActionError> {
        let settings = context.store().sign_in_settings(context.account()).await?;
        Ok(OnePasswordPolicy::of(&settings.password))
    }
}
