//! RAM policy documents and the one maker of a Permit.
