//! The system policies.

/// A policy that comes with the service.
#[derive(Clone, Copy, Debug)]
pub struct SystemPolicy {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its document.
    pub document_text: &'static str,
    /// Its default version, `v1` and up.
    pub version: u32,
    /// When it was made, `2017-08-11T00:00:00Z`.
    pub create_date: &'static str,
    /// When its document last changed.
    pub update_date: &'static str,
}

/// All system policies, by name.
#[must_use]
pub fn system_policies() -> &'static [SystemPolicy] {
    &[]
}
