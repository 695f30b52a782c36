//! Who has which policy: the list of grants with revoking, and granting of up to five policies at once.

use axum::{http::StatusCode, response::Response};
use sluice_actions::{
    ActionContext, ActionError, Code, Whom,
    ram::{
        GetPolicy, ListEntitiesForPolicy, ListGroups, ListPolicies, ListRoles, ListUsers, RoleReply, UserGroupReply,
    },
};
use sluice_model::RamEntity;

use super::{
    Form as Sent, all_groups, all_policies, all_roles, all_users, done, fits,
    holder::{Holder, HolderKind, holders},
    if_listed, if_permitted, in_query, missing, policies, when,
};
use crate::{
    frame::{Frame, Place},
    parts::{Button, Cell, Choice, Field, Form, Found, Kind, Pages, Search, Sheet, Table},
    respond,
    session::{Asked, Fields, Posted, SignedIn, known},
};

const LIST: &str = "/console/ram/grants";
const GRANT: &str = "/console/ram/grant";
/// Most policies granted at once. Source: facts/ram.md section 5.
const POLICIES_MAX: usize = 5;
/// Most principals and most policies offered at once besides the chosen; the search finds others.
const OFFERED_MAX: usize = 200;
/// The search of each of the form's two lists.
const FIND_PRINCIPAL: &str = "FindPrincipal";
const FIND_POLICY: &str = "FindPolicy";

/// One policy of one principal.
struct Grant {
    holder: Holder,
    policy_type: &'static str,
    policy: String,
    note: String,
}

/// Shows the list, or what is missing to see it.
pub(crate) async fn show(who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &asked).await;
    who.answer(Place::RamGrants, "Grants", sheet)
}

/// Every grant that may be seen, and of how many policies they may not.
async fn grants(context: &ActionContext) -> Result<(Vec<Grant>, usize), ActionError> {
    let (mut grants, mut hidden) = (Vec::new(), 0);
    for policy in all_policies(context).await?.into_iter().filter(|one| one.attachment_count != Some(0)) {
        let given = [("PolicyType", policy.policy_type), ("PolicyName", policy.policy_name.as_str())];
        match if_permitted(context, known::<ListEntitiesForPolicy>(&given)?).await {
            Ok(Some(entities)) => grants.extend(holders(entities).into_iter().map(|holder| Grant {
                holder,
                policy_type: policy.policy_type,
                policy: policy.policy_name.clone(),
                note: policy.description.clone(),
            })),
            Ok(None) => hidden += 1,
            // Deleted since it was listed.
            Err(ActionError::Code(Code::NoPolicy)) => {}
            Err(error) => return Err(error),
        }
    }
    grants.sort_by(|a, b| (&a.holder.name, &a.policy).cmp(&(&b.holder.name, &b.policy)));
    Ok((grants, hidden))
}

async fn sheet(who: &SignedIn, asked: &Asked) -> Result<Sheet, ActionError> {
    let (context, frame) = (&who.context, who.frame(Place::RamGrants));
    let search = asked.0.get("q").to_owned();
    let (mut grants, hidden) = grants(context).await?;
    grants.retain(|grant| fits(&search, &[&grant.holder.name, grant.holder.kind.word(), &grant.policy, &grant.note]));
    let base = format!("{LIST}?q={}&", in_query(&search));
    let (grants, pages) = Pages::cut(grants, asked.page(), ("grant", "grants"), base);
    let rows = grants.into_iter().map(|grant| row(context, &frame, grant)).collect();
    let columns = ["Principal", "Kind", "Policy", "Type", "Since (UTC)", ""];
    let table = Table::new("grants", &columns, rows, "No grant fits.")
        .search(Search { to: LIST, text: search, label: "Principal, policy", only: None })
        .pages(pages);
    let sheet = Sheet::new("Grants")
        .lead("Which policy is attached to whom.")
        .button(Button::link("Grant permission", GRANT).main().unless(cannot_grant(context, None).await?))
        .done(done(asked.0.get("done")))
        .part(table);
    Ok(match hidden {
        0 => sheet,
        1 => sheet.part(note("Of 1 more policy you may not see to whom it is attached.".to_owned())),
        hidden => sheet.part(note(format!("Of {hidden} more policies you may not see to whom they are attached."))),
    })
}

fn note(text: String) -> crate::parts::Note {
    crate::parts::Note { id: "hidden", head: "Not shown", text, links: Vec::new() }
}

fn row(context: &ActionContext, frame: &Frame, grant: Grant) -> Vec<Cell> {
    let kind = grant.holder.kind;
    let policy = [("PolicyType", grant.policy_type), ("PolicyName", grant.policy.as_str())];
    let sends = [policy[0], policy[1], ("Kind", kind.key()), (kind.parameter(), grant.holder.name.as_str())];
    let given = [policy[0], policy[1], sends[3]];
    let revoke = Button::run(frame, "Revoke", LIST, "Revoke", &sends).asks_first();
    vec![
        Cell::link(grant.holder.page(), grant.holder.name.clone()),
        Cell::text(kind.word()),
        policies::link(grant.policy_type, &grant.policy, &grant.note),
        Cell::text(grant.policy_type),
        Cell::text(when(&grant.holder.since)),
        Cell::Buttons(vec![revoke.unless(kind.cannot_detach(context, &given))]),
    ]
}

/// Revokes one grant.
pub(crate) async fn revoke(posted: Posted) -> Response {
    let fields = &posted.fields;
    let Some(kind) = HolderKind::of(fields.get("Kind")) else { return respond::bad_form() };
    let name = fields.get(kind.parameter()).to_owned();
    let Some(whom) = kind.whom(&name) else { return respond::bad_form() };
    let outcome = kind.detach(&posted, &[], &[whom]).await;
    let back = format!("{LIST}?");
    let form = Sent { posted: &posted, place: Place::RamGrants, title: "Grants", action: LIST, back: &back };
    form.end(outcome).unwrap_or_else(|error| posted.who.answer(Place::RamGrants, "Grants", Err(error)))
}

/// The action that is missing to see the form.
pub(super) fn cannot_open(context: &ActionContext) -> Option<String> {
    missing::<ListUsers>(context, &[]).or_else(|| missing::<ListPolicies>(context, &[]))
}

/// The action that is missing to grant anything, or that policy, to anybody.
pub(super) async fn cannot_grant(
    context: &ActionContext,
    policy: Option<(&str, &str)>,
) -> Result<Option<String>, ActionError> {
    if let Some(action) = cannot_open(context) {
        return Ok(Some(action));
    }
    let policy = policy.map(|(policy_type, name)| match policy_type {
        "System" => RamEntity::SystemPolicy(name.into()),
        _ => RamEntity::Policy(name.into()),
    });
    let may = |kind: HolderKind, name: &str| {
        let refused = policy.as_ref().and_then(|policy| kind.cannot_attach_policy(context, policy));
        refused.or_else(|| kind.cannot_attach(context, name)).is_none()
    };
    if HolderKind::ALL.into_iter().any(|kind| may(kind, "*")) {
        return Ok(None);
    }
    // Not to everybody; perhaps to one of them.
    let some = all_users(context).await?.iter().any(|user| may(HolderKind::User, &user.user_name))
        || groups(context).await?.iter().any(|group| may(HolderKind::Group, &group.group_name))
        || roles(context).await?.iter().any(|role| may(HolderKind::Role, &role.role_name));
    Ok((!some).then(|| "ram:AttachPolicyToUser".to_owned()))
}

/// What the form offers, what is searched in its two lists, and what is chosen.
struct Offer {
    /// For principals and for policies.
    searches: [String; 2],
    principals: Vec<String>,
    policies: Vec<String>,
    /// What is wrong with the choice of either.
    faults: [Option<String>; 2],
}

/// What is chosen, then what fits the search, cut; and how many there are to choose from.
fn found(all: Vec<Choice>, chosen: &[String], search: &str) -> (Vec<Choice>, usize) {
    let (mut first, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| chosen.contains(&one.value));
    let fitting: Vec<_> = rest.into_iter().filter(|one| fits(search, &[&one.label, &one.about])).collect();
    let total = first.len() + fitting.len();
    first.extend(fitting.into_iter().take(OFFERED_MAX));
    (first, total)
}

/// Everybody who can have a policy.
async fn principals(context: &ActionContext) -> Result<Vec<Choice>, ActionError> {
    let mut principals: Vec<Choice> = Vec::new();
    for user in all_users(context).await? {
        let about = if user.display_name == user.user_name { String::new() } else { user.display_name };
        principals.push(Choice::new(format!("user:{}", user.user_name), format!("{} (user)", user.user_name), about));
    }
    // Who may not list groups or roles grants to users alone.
    principals.extend(groups(context).await?.into_iter().map(|group| {
        Choice::new(format!("group:{}", group.group_name), format!("{} (group)", group.group_name), group.comments)
    }));
    principals.extend(roles(context).await?.into_iter().map(|role| {
        Choice::new(format!("role:{}", role.role_name), format!("{} (role)", role.role_name), role.description)
    }));
    Ok(principals)
}

async fn grant_sheet(who: &SignedIn, offer: Offer) -> Result<Sheet, ActionError> {
    let context = &who.context;
    let policies = all_policies(context).await?.into_iter().map(|policy| {
        let value = format!("{}/{}", policy.policy_type, policy.policy_name);
        Choice::new(value, format!("{} ({})", policy.policy_name, policy.policy_type), policy.description)
    });
    let [in_principals, in_policies] = offer.searches;
    let (choices, total) = found(principals(context).await?, &offer.principals, &in_principals);
    let to_whom =
        Found { choices, name: FIND_PRINCIPAL, text: in_principals, label: "Find users, groups and roles", total };
    let (choices, total) = found(policies.collect(), &offer.policies, &in_policies);
    let what = Found { choices, name: FIND_POLICY, text: in_policies, label: "Find policies", total };
    let [no_principal, no_policy] = offer.faults;
    let to_whom = Field::new("Principal", "To whom", Kind::Many(to_whom)).values(offer.principals);
    let what = Field::new("Policy", "Which policies; at most 5 at once", Kind::Many(what)).values(offer.policies);
    let form = Form::new(&who.frame(Place::RamGrants), "grant", GRANT, "Grant")
        .back(LIST)
        .field(to_whom.fault(no_principal))
        .field(what.fault(no_policy))
        .unless(cannot_grant(context, None).await?);
    Ok(Sheet::new("Grant permission").below(LIST, "Grants").part(form))
}

/// Every group; none where they may not be listed.
async fn groups(context: &ActionContext) -> Result<Vec<UserGroupReply>, ActionError> {
    Ok(if_listed::<ListGroups, _>(context, all_groups(context)).await?.unwrap_or_default())
}

/// Every role; none where they may not be listed.
async fn roles(context: &ActionContext) -> Result<Vec<RoleReply>, ActionError> {
    Ok(if_listed::<ListRoles, _>(context, all_roles(context)).await?.unwrap_or_default())
}

/// Shows the form.
pub(crate) async fn show_grant(who: SignedIn, asked: Asked) -> Response {
    let of = |name: &str| asked.0.all(name).into_iter().filter(|text| !text.is_empty()).map(str::to_owned);
    let chosen = HolderKind::ALL.iter().flat_map(|kind| of(kind.key()).map(|name| format!("{}:{name}", kind.key())));
    let offer = Offer {
        searches: searches(&asked.0),
        principals: chosen.collect(),
        policies: of("policy").collect(),
        faults: [None, None],
    };
    let sheet = grant_sheet(&who, offer).await;
    who.answer(Place::RamGrants, "Grant permission", sheet)
}

fn searches(fields: &Fields) -> [String; 2] {
    [FIND_PRINCIPAL, FIND_POLICY].map(|name| fields.get(name).to_owned())
}

/// What was chosen, read.
type Chosen<'a> = (HolderKind, &'a str, &'a str, &'a str);

fn chosen<'a>(principals: &[&'a str], policies: &[&'a str]) -> Option<Vec<Chosen<'a>>> {
    let mut all = Vec::new();
    for principal in principals {
        let (kind, name) = principal.split_once(':')?;
        let kind = HolderKind::of(kind)?;
        for policy in policies {
            let (policy_type, policy) = policy.split_once('/')?;
            all.push((kind, name, policy_type, policy));
        }
    }
    Some(all)
}

/// Grants all of it, and says what became of each; or searches, with what is chosen as it is.
pub(crate) async fn submit(posted: Posted) -> Response {
    let (principals, policies) = (posted.fields.all("Principal"), posted.fields.all("Policy"));
    let Some(all) = chosen(&principals, &policies) else { return respond::bad_form() };
    let searches_only = posted.fields.has("find");
    let no_principal = principals.is_empty().then_some("Choose at least one user, group or role.");
    let no_policy = match policies.len() {
        0 => Some("Choose at least one policy."),
        count if count > POLICIES_MAX => Some("At most 5 policies can be granted at once."),
        _ => None,
    };
    let faults = [no_principal, no_policy].map(|fault| fault.filter(|_| !searches_only).map(str::to_owned));
    let is_wrong = faults.iter().any(Option::is_some);
    let outcome = if is_wrong || searches_only {
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let searches = searches(&posted.fields);
        let offer = Offer { searches, principals: own(&principals), policies: own(&policies), faults };
        let status = if is_wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        grant_sheet(&posted.who, offer).await.map(|sheet| Sheet { status, ..sheet })
    } else {
        match question(&posted, &all).await {
            Ok(Some(question)) => Ok(question),
            Ok(None) => grant(&posted, all).await,
            Err(error) => Err(error),
        }
    };
    posted.who.answer(Place::RamGrants, "Grant permission", outcome)
}

/// A policy that forbids can close connections: then whom it touches is said first.
async fn question(posted: &Posted, all: &[Chosen<'_>]) -> Result<Option<Sheet>, ActionError> {
    let context = &posted.who.context;
    if posted.is_confirmed() {
        return Ok(None);
    }
    let mut touched: Vec<(Chosen<'_>, Whom)> = Vec::new();
    for one in all {
        let given = [("PolicyType", one.2), ("PolicyName", one.3)];
        // Who may not read a policy is asked always.
        let policy = if_permitted(context, known::<GetPolicy>(&given)?).await?;
        let document = policy.map(|policy| policy.default_policy_version.policy_document.unwrap_or_default());
        let forbids = document.is_none_or(|document| forbids(&document));
        if let (true, Some(whom)) = (forbids, one.0.whom(one.1)) {
            touched.push((*one, whom));
        }
    }
    let Some(((kind, name, policy_type, policy), _)) = touched.first() else { return Ok(None) };
    let given = [("PolicyType", *policy_type), ("PolicyName", *policy), (kind.parameter(), *name)];
    let whom: Vec<Whom> = touched.iter().map(|(_, whom)| whom.clone()).collect();
    let reach = kind.reach(context, &given, &whom).await?;
    let form = Sent { posted, place: Place::RamGrants, title: "Grant permission", action: GRANT, back: LIST };
    let lines = vec!["One of the policies forbids something, or cannot be read by you.".to_owned()];
    Ok(Some(form.question("Attach a policy that forbids?".to_owned(), Some(reach), lines, "Attach")))
}

/// Whether a document has a Deny; for the warning alone, nothing is decided by it.
fn forbids(document: &str) -> bool {
    let value: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    let statements = value.get("Statement").and_then(serde_json::Value::as_array);
    statements.is_none_or(|all| all.iter().any(|one| one.get("Effect").is_none_or(|effect| effect != "Allow")))
}

/// Grants one after the other; where all are refused, the first refusal is the answer.
async fn grant(posted: &Posted, all: Vec<Chosen<'_>>) -> Result<Sheet, ActionError> {
    let (mut rows, mut refused, most) = (Vec::new(), Vec::new(), all.len());
    for (kind, name, policy_type, policy) in all {
        let given = [("PolicyType", policy_type), ("PolicyName", policy), (kind.parameter(), name)];
        let result = match kind.attach(&posted.who.context, &given).await {
            Ok(()) => Cell::state("Granted", true),
            Err(error) => {
                let text = error.message();
                refused.extend(error.denial().is_some().then_some(error));
                Cell::state(text, false)
            }
        };
        let holder = Holder { kind, name: name.to_owned(), since: String::new() };
        rows.push(vec![
            Cell::link(holder.page(), name),
            Cell::text(kind.word()),
            policies::link(policy_type, policy, ""),
            result,
        ]);
    }
    if refused.len() == most {
        return Err(refused.swap_remove(0));
    }
    let table = Table::new("result", &["Principal", "Kind", "Policy", "Result"], rows, "");
    Ok(Sheet::new("Result").below(LIST, "Grants").button(Button::link("Complete", LIST).main()).part(table))
}
