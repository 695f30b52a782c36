//! Quotas and lengths of RAM, and of texts. Sources: facts/ram.md sections 2 and 3.3. What an instance may have is
//! `sluice_model::Limits`.

/// Users of an account.
pub(crate) const USERS_MAX: i64 = 5_000;
/// Custom policies of an account.
pub(crate) const POLICIES_MAX: i64 = 1_500;
/// Groups of users of an account.
pub(crate) const USER_GROUPS_MAX: i64 = 300;
/// Groups that a user may be in.
pub(crate) const GROUPS_OF_USER_MAX: i64 = 10;
/// Items of a page of ListGroups, where other lists have 1,000. facts/ram.md section 8, 10.
pub(crate) const LIST_GROUPS_ITEMS_MAX: u32 = 100;
/// System policies attached to a user, group or role.
pub(crate) const SYSTEM_ATTACHMENTS_MAX: i64 = 20;
/// Custom policies attached to a user, group or role.
pub(crate) const CUSTOM_ATTACHMENTS_MAX: i64 = 10;
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
