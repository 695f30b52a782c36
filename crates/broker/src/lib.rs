//! The live side: sessions, routing, delivery, revocation sweeps.
