//! Who is calling on the open listener: whoever reaches it acts as the RAM user that the operator named.
//!
//! No secret is proved here; the operator who opened the listener vouches for its network. That is all it gives: the
//! user's policies hold as for any other login, and the user's end ends every connection. DESIGN section 1, Open listener.

use std::sync::Arc;

use sluice_model::{InstanceId, Principal, UserName};
use sluice_policy::{Caller, Credential};

use crate::{Access, AuthRefusal, MqttLogin, Peer};

impl Access {
    /// Who a client of the open listener is: the user of this name in the account that owns the instance. The one maker
    /// of a caller with [`Credential::Listener`]. Cost: two look-ups.
    ///
    /// # Errors
    /// [`AuthRefusal::NoInstance`], [`AuthRefusal::DisabledAccount`], [`AuthRefusal::NoListenerUser`],
    /// [`AuthRefusal::Unavailable`].
    pub fn authenticate_open(
        &self,
        instance: &InstanceId,
        user: &UserName,
        peer: Peer,
    ) -> Result<MqttLogin, AuthRefusal> {
        let snapshot = self.directory.read();
        let owner = snapshot.instances.get(instance).map(|view| view.settings.account);
        if self.is_unavailable(owner) {
            return Err(AuthRefusal::Unavailable);
        }
        let settings = Arc::clone(&snapshot.instances.get(instance).ok_or(AuthRefusal::NoInstance)?.settings);
        if snapshot.disabled.contains(&settings.account) {
            return Err(AuthRefusal::DisabledAccount);
        }
        let name = (settings.account, Arc::from(user.as_str()));
        let principal: Principal = *snapshot.users.get(&name).ok_or(AuthRefusal::NoListenerUser)?;
        let caller = Caller::authenticated(principal, Credential::Listener, Some(peer.addr), peer.secure, None);
        Ok(MqttLogin { caller, settings })
    }
}
