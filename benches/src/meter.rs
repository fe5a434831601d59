//! Counts what the database is asked and what it charges, at the SDK.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::{ConfigBag, Storable, StoreReplace},
};
use serde_json::{Value, json};

/// What a flow has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Calls of the database.
    pub calls: u32,
    /// Of these, one after the other: how often somebody waited for the database.
    pub rounds: u32,
    /// Write units, indexes and transactions counted as DynamoDB bills them.
    pub writes: f64,
    /// Read units, likewise.
    pub reads: f64,
}

/// The verb of the call that is under way, from the request to its answer, and how many had been waited for before it.
#[derive(Clone, Debug)]
struct Verb(String, u32);

impl Storable for Verb {
    type Storer = StoreReplace<Self>;
}

/// Counts every DynamoDB call of the clients it is given to.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Cost>>);

impl Meter {
    /// What was counted since the last time, and zero again.
    pub fn take(&self) -> Cost {
        std::mem::take(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    /// Asks for the consumed capacity in the request's own JSON.
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let Some((_, verb)) = target.split_once('.').filter(|(service, _)| service.starts_with("DynamoDB_")) else {
            return Ok(());
        };
        let before = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).rounds;
        bag.interceptor_state().store_put(Verb(verb.to_owned(), before));
        let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default())?;
        body["ReturnConsumedCapacity"] = json!("INDEXES");
        let body = body.to_string();
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Verb(verb, before)) = bag.load::<Verb>() else { return Ok(()) };
        let body: Value = serde_json::from_slice(context.response().body().bytes().unwrap_or_default())?;
        let capacity = match &body["ConsumedCapacity"] {
            Value::Array(tables) => tables.iter().map(units).sum(),
            one => units(one),
        };
        let mut cost = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        cost.calls += 1;
        // Calls that began together have the same number before them.
        cost.rounds = cost.rounds.max(before + 1);
        if ["GetItem", "Query", "BatchGetItem"].contains(&verb.as_str()) {
            cost.reads += capacity
        } else {
            cost.writes += capacity
        };
        Ok(())
    }
}

fn units(capacity: &Value) -> f64 {
    capacity["CapacityUnits"].as_f64().unwrap_or_default()
}
