//! A new certificate without a restart: on SIGHUP at once, and when its files change.

use std::{sync::Arc, time::Duration};

use sluice_mqtt::Certificates;
use tokio::signal::unix::Signal;

/// How often the files are looked at. A change is taken at the first look at which they are as at the look before, so that
/// two files that are written one after the other are read together.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reloads until it is dropped; without a certificate a hang-up changes nothing, but does not end the process either.
pub(crate) async fn run(certificates: Option<Arc<Certificates>>, mut hang_up: Signal) {
    let Some(certificates) = certificates else {
        while hang_up.recv().await.is_some() {
            tracing::info!("SIGHUP: there is no certificate to read again");
        }
        return;
    };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut taken = certificates.stamp();
    let mut seen = taken.clone();
    loop {
        tokio::select! {
            _ = hang_up.recv() => {
                taken = certificates.stamp();
                reload(&certificates);
            }
            _ = look.tick() => {
                let now = certificates.stamp();
                if now == seen && now != taken {
                    taken = now.clone();
                    reload(&certificates);
                }
                seen = now;
            }
        }
    }
}

fn reload(certificates: &Certificates) {
    match certificates.reload() {
        Ok(()) => tracing::info!("a new certificate is in force"),
        Err(error) => tracing::error!(%error, "the certificate was not read again; the one before stays in force"),
    }
}
