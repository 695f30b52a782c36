//! Metadata tables, migrations and the message log.
