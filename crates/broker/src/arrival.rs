//! By which door a connection came.

use std::sync::Arc;

use sluice_access::Peer;
use sluice_model::{InstanceId, UserName};

/// How a listener lets clients in.
#[derive(Clone, Debug)]
pub enum Door {
    /// Clients prove who they are. DESIGN section 2, Order at CONNECT.
    Signed,
    /// Every client acts as one RAM user, whose policies hold. DESIGN section 1, Open listener.
    Open(Arc<OpenDoor>),
}

/// Where the open listener leads, and as whom.
#[derive(Clone, Debug)]
pub struct OpenDoor {
    /// The instance.
    pub instance: InstanceId,
    /// A user of the account that owns it; need not exist yet.
    pub user: UserName,
}

/// A connection before its CONNECT.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// From where.
    pub peer: Peer,
    /// By which door.
    pub door: Door,
    /// The instance that TLS named (SNI `{instanceId}.…`); CONNECT may name no other.
    pub sni_instance: Option<InstanceId>,
}

impl Arrival {
    /// A connection to a listener where clients sign, without a name from TLS.
    #[must_use]
    pub fn signed(peer: Peer) -> Self {
        Self { peer, door: Door::Signed, sni_instance: None }
    }
}
