//! What goes wrong between a function and AWS, by the name of the operation.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, SharedInterceptor,
            context::{
                BeforeDeserializationInterceptorContextMut as Answered,
                BeforeSerializationInterceptorContextRef as Unsent,
            },
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use local::Options;

use crate::app::App;

/// Faults of a running cloud.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    refused: Option<&'static str>,
    lost: Option<&'static str>,
}

impl Faults {
    /// A cloud without rate limits that can be troubled.
    pub(super) async fn start() -> (App, Faults) {
        let faults = Faults::default();
        let interceptors = vec![SharedInterceptor::new(faults.clone())];
        (App::with(Options { rate_limit: false, interceptors, ..App::options() }).await, faults)
    }

    /// Keeps every call of this operation from being made, until it is healed.
    pub(super) fn refuse(&self, operation: &'static str) {
        self.0.lock().unwrap().refused = Some(operation);
    }

    pub(super) fn heal(&self) {
        *self.0.lock().unwrap() = Plan::default();
    }

    /// Loses the answer to the next call of this operation, which is done.
    pub(super) fn lose(&self, operation: &'static str) {
        self.0.lock().unwrap().lost = Some(operation);
    }

    /// Whether an answer is yet to be lost.
    pub(super) fn is_pending(&self) -> bool {
        self.0.lock().unwrap().lost.is_some()
    }
}

fn operation(config: &ConfigBag) -> Option<String> {
    config.load::<Metadata>().map(|metadata| metadata.name().to_owned())
}

impl Intercept for Faults {
    fn name(&self) -> &'static str {
        "Faults"
    }

    fn read_before_serialization(
        &self,
        _: &Unsent<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let refused = self.0.lock().unwrap().refused;
        if refused.is_some() && refused == operation(config).as_deref() { Err("on purpose".into()) } else { Ok(()) }
    }

    fn modify_before_deserialization(
        &self,
        answer: &mut Answered<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut plan = self.0.lock().unwrap();
        if plan.lost.is_some() && plan.lost == operation(config).as_deref() {
            plan.lost = None;
            *answer.response_mut().status_mut() = 500.try_into()?;
            *answer.response_mut().body_mut() =
                SdkBody::from(r#"{"__type": "InternalServerError", "message": "lost"}"#);
        }
        Ok(())
    }
}
