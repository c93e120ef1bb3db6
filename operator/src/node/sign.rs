//! The plan with the certificates that are due: planned, signed, and planned again with them.

use rand::Rng;

use super::inputs::Inputs;
use super::plan::{Plan, plan};
use crate::keys::signer::{self, Signer};

/// Plans a namespace and signs what is due. Returns the plan, and why certificates that are due
/// were not made.
pub fn plan_and_sign(
    inputs: &mut Inputs,
    signer: Option<&Signer>,
    rng: &mut impl Rng,
) -> (Plan, Vec<String>) {
    let planned = plan(inputs);
    let mut refusals = Vec::new();
    let (Some(signer), false) = (signer, planned.signing.is_empty()) else {
        return (planned, refusals);
    };
    for request in &planned.signing {
        match signer.sign(request, inputs.now, signer::serial(rng)) {
            Ok(certificate) => inputs.signed.push(certificate),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    (plan(inputs), refusals)
}
