//! Carriers as the sessions see them.

use sip_core::api::{RegistrationState, TrunkState};

/// Says in the log how a trunk does now.
pub(crate) fn trunk_changed(state: &TrunkState) {
    let registration = match state.registration {
        RegistrationState::None => "none".to_owned(),
        RegistrationState::Asking => "asked for".to_owned(),
        RegistrationState::Registered { .. } => "registered".to_owned(),
        RegistrationState::Failed { status, .. } => format!("failed with {status}"),
        RegistrationState::Left => "given back".to_owned(),
    };
    if state.usable {
        tracing::info!(trunk = state.name, alive = state.alive, registration, "trunk is up");
    } else {
        tracing::warn!(trunk = state.name, alive = state.alive, registration, "trunk is down");
    }
}
