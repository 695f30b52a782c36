//! How a resource reads as ARNs: the one table of product quirks.
//!
//! | resource | current form | old forms (facts/apsaramq-for-mqtt.md section 3.2) |
//! |---|---|---|
//! | instance | `instance/{I}` | `{I}` |
//! | topic | `topic/{I}/{a}`, `topic/{I}/{a}/{b}`, … every level | `{I}%{parent}`, `{parent}` |
//! | group | `groupId/{I}/{g}` | `{I}%{g}`, `{g}` |
//!
//! Our resources have no region: any region of a pattern matches. An ARN given as text is taken literally.

use sluice_model::{AccountId, InstanceId, ParentTopic, RamEntity, Resource, Service};
use smallvec::{SmallVec, smallvec};

/// One ARN, cut into its parts.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// `acs:{service}:{region}:{account}:{rest}`.
    pub(crate) text: String,
    /// Where the parts begin; `None` for a text that is no ARN.
    pub(crate) parts: Option<Parts>,
    /// Where a match may end, in `text`: the ends of a topic's levels, else the text's end alone.
    pub(crate) ends: SmallVec<[usize; 8]>,
    /// Whether any region matches.
    pub(crate) any_region: bool,
    pub(crate) form: Form,
}

/// Offsets of an ARN's parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) service: usize,
    pub(crate) region: usize,
    pub(crate) account: usize,
    pub(crate) rest: usize,
}

/// How an ARN came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// The form of today.
    Current,
    /// A form that older policies use.
    Old,
    /// An old form of a name that no parent topic can have: nobody can have meant to allow it, but a Deny holds.
    OldDenyOnly,
    /// Text.
    Literal,
}

pub(crate) type Candidates = SmallVec<[Candidate; 3]>;

/// All ARNs that a resource reads as: the current form first; in the old forms there is no `/`, which `sieve.rs` relies on.
pub(crate) fn candidates(resource: &Resource) -> Candidates {
    let digits = digits(resource.account());
    let account = str::from_utf8(&digits).expect("digits are ASCII");
    let own = |service, form, rest: &[&str]| own(service, account, form, rest);
    match resource {
        Resource::Service(_, service) => smallvec![own(*service, Form::Current, &["*"])],
        Resource::Instance(_, instance) => smallvec![
            own(Service::Mq, Form::Current, &["instance/", instance.as_str()]),
            own(Service::Mq, Form::Old, &[instance.as_str()]),
        ],
        Resource::Topic(_, instance, path) => {
            let parent = path.split('/').next().unwrap_or_default();
            // A first level such as `post-cn-x` or `I%t` would read as another resource in the old forms.
            let form = if ParentTopic::is_legal(parent) { Form::Old } else { Form::OldDenyOnly };
            let mut tree = own(Service::Mq, Form::Current, &["topic/", instance.as_str(), "/", path]);
            let from = tree.text.len() - path.len();
            tree.ends = memchr::memchr_iter(b'/', path.as_bytes()).chain([path.len()]).map(|at| from + at).collect();
            let named = own(Service::Mq, form, &[instance.as_str(), "%", parent]);
            smallvec![tree, named, own(Service::Mq, form, &[parent])]
        }
        Resource::Group(_, instance, group) => smallvec![
            own(Service::Mq, Form::Current, &["groupId/", instance.as_str(), "/", group.as_str()]),
            own(Service::Mq, Form::Old, &[instance.as_str(), "%", group.as_str()]),
            own(Service::Mq, Form::Old, &[group.as_str()]),
        ],
        Resource::Ram(_, entity) => smallvec![match entity {
            RamEntity::User(name) => own(Service::Ram, Form::Current, &["user/", name]),
            RamEntity::Group(name) => own(Service::Ram, Form::Current, &["group/", name]),
            RamEntity::Role(name) => own(Service::Ram, Form::Current, &["role/", name]),
            RamEntity::MfaDevice(name) => own(Service::Ram, Form::Current, &["mfa/", name]),
            RamEntity::SamlProvider(name) => own(Service::Ram, Form::Current, &["saml-provider/", name]),
            RamEntity::OidcProvider(name) => own(Service::Ram, Form::Current, &["oidc-provider/", name]),
            RamEntity::Policy(name) => own(Service::Ram, Form::Current, &["policy/", name]),
            RamEntity::SystemPolicy(name) => system(&["policy/", name]),
            RamEntity::All => own(Service::Ram, Form::Current, &["*"]),
        }],
        Resource::Arn(_, arn) => smallvec![literal(arn)],
    }
}

/// The 16 digits of an account, without the allocation and the formatting: a tenth of a decision (`tests/bench/decisions`).
fn digits(account: AccountId) -> [u8; 16] {
    let mut number = account.get();
    let mut digits = [b'0'; 16];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).expect("a digit");
        number /= 10;
    }
    digits
}

/// How the ARNs of all topics begin that lie below a path; without one, of all topics of the instance. The old forms have
/// the parent topic alone: below a path it is known, so that the path's own candidates speak for it.
pub(crate) fn below(account: AccountId, instance: &InstanceId, path: Option<&str>) -> Candidates {
    let (account, id) = (account.to_string(), instance.as_str());
    let own = |form, rest: &[&str]| own(Service::Mq, &account, form, rest);
    match path {
        Some(path) => smallvec![own(Form::Current, &["topic/", id, "/", path, "/"])],
        None => smallvec![
            own(Form::Current, &["topic/", id, "/"]),
            own(Form::OldDenyOnly, &[id, "%"]),
            own(Form::OldDenyOnly, &[]),
        ],
    }
}

/// A system policy belongs to the pseudo account `system`.
fn system(rest: &[&str]) -> Candidate {
    own(Service::Ram, "system", Form::Current, rest)
}

/// One allocation each: three of these are built for each decision on a topic.
fn own(service: Service, account: &str, form: Form, rest: &[&str]) -> Candidate {
    let service = service.code();
    let start = ["acs:", service, ":*:", account, ":"];
    let pieces = || start.iter().chain(rest).copied();
    let mut text = String::with_capacity(pieces().map(str::len).sum());
    text.extend(pieces());
    let region = "acs:".len() + service.len() + 1;
    let account_at = region + "*:".len();
    let parts = Parts { service: 4, region, account: account_at, rest: account_at + account.len() + 1 };
    Candidate { ends: smallvec![text.len()], text, parts: Some(parts), any_region: true, form }
}

/// An ARN as written.
pub(crate) fn literal(arn: &str) -> Candidate {
    let mut colons = memchr::memchr_iter(b':', arn.as_bytes()).map(|at| at + 1);
    let parts = match (colons.next(), colons.next(), colons.next(), colons.next()) {
        (Some(service), Some(region), Some(account), Some(rest)) if arn.starts_with("acs:") => {
            Some(Parts { service, region, account, rest })
        }
        _ => None,
    };
    Candidate { text: arn.to_owned(), parts, ends: smallvec![arn.len()], any_region: false, form: Form::Literal }
}
