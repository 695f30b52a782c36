//! Who is calling, and may they: credentials, policies in force, the decision cache.
