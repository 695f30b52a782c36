//! Quotas and lengths of RAM, and of texts. Sources: facts/ram.md sections 2 and 3.3. What an instance may have is
//! `sluice_model::Limits`.

use std::ops::RangeInclusive;

/// Users of an account.
pub(crate) const USERS_MAX: i64 = 5_000;
/// Roles of an account, those of services too.
pub(crate) const ROLES_MAX: i64 = 1_000;
/// How long a session of a role may be made to last at most, seconds.
pub(crate) const SESSION_S_MAX: RangeInclusive<u32> = 3_600..=43_200;
/// Identity providers of an account. Source: facts/ram.md section 3.3.
pub(crate) const IDENTITY_PROVIDERS_MAX: i64 = 100;
/// Characters of one client ID or fingerprint; of an issuer's URL. Source: the vendor's SDK of IMS 2019-08-15, like the next three.
pub(crate) const PROVIDER_VALUE_CHARACTERS_MAX: usize = 128;
/// Characters of an issuer's URL.
pub(crate) const ISSUER_URL_CHARACTERS_MAX: usize = 255;
/// How long ago a token may have been made, hours.
pub(crate) const ISSUANCE_H_MAX: RangeInclusive<u32> = 1..=168;
/// What it is when nothing is said.
pub(crate) const ISSUANCE_H_DEFAULT: u32 = 12;
/// Client IDs of a provider; ours.
pub(crate) const CLIENT_IDS_MAX: usize = 50;
/// Fingerprints of a provider; ours.
pub(crate) const FINGERPRINTS_MAX: usize = 5;
/// How short a session may be, seconds. Source: facts/ram.md section 2, STS.
pub(crate) const SESSION_S_MIN: u32 = 900;
/// How long a session may last that another role's session opens, seconds: no chain outlives its first link by much.
pub(crate) const CHAINED_SESSION_S_MAX: u32 = 3_600;
/// How long it may last when the role does not say.
pub(crate) const SESSION_S_DEFAULT: u32 = 3_600;
/// Custom policies of an account.
pub(crate) const POLICIES_MAX: i64 = 1_500;
/// Groups of users of an account.
pub(crate) const USER_GROUPS_MAX: i64 = 300;
/// Groups that a user may be in.
pub(crate) const GROUPS_OF_USER_MAX: i64 = 10;
/// Items of a page of ListGroups, where other lists have 1,000. facts/ram.md section 8, 10.
pub(crate) const LIST_GROUPS_ITEMS_MAX: u32 = 100;
/// Items of a page of ListOIDCProviders and ListSAMLProviders. Source: the vendor's SDK of IMS 2019-08-15.
pub(crate) const LIST_PROVIDERS_ITEMS_MAX: u32 = 100;
/// System policies attached to a user, group or role.
pub(crate) const SYSTEM_ATTACHMENTS_MAX: i64 = 20;
/// Custom policies attached to a user, group or role.
pub(crate) const CUSTOM_ATTACHMENTS_MAX: i64 = 10;
/// Tags of a policy or role.
pub(crate) const TAGS_OF_ENTITY_MAX: i64 = 20;
/// Tags, or keys of tags, in one request.
pub(crate) const TAGS_MAX: usize = 20;
/// Policies or roles in one request about tags.
pub(crate) const TAGGED_NAMES_MAX: usize = 50;
/// Tags of a page of ListTagResources.
pub(crate) const TAG_PAGE_ITEMS_MAX: u32 = 100;
/// Characters of a policy document.
pub(crate) const DOCUMENT_CHARACTERS_MAX: usize = 6_144;
/// Characters of a display name.
pub(crate) const DISPLAY_NAME_CHARACTERS_MAX: usize = 128;
/// Characters of the comments on a user or a group.
pub(crate) const COMMENTS_CHARACTERS_MAX: usize = 128;
/// Characters of a policy's description.
pub(crate) const DESCRIPTION_CHARACTERS_MAX: usize = 1_024;
/// Characters of an e-mail address, RFC 5321.
pub(crate) const EMAIL_CHARACTERS_MAX: usize = 254;
/// Characters of a telephone number with its country code.
pub(crate) const MOBILE_PHONE_CHARACTERS_MAX: usize = 32;
/// Characters of a topic's remark.
pub(crate) const REMARK_CHARACTERS_MAX: usize = 128;
