//! Events on their way to the endpoints of their organizations.
//!
//! The endpoints are asked for here, once for all changes of a batch, and not by a message per change: most organizations
//! have none, and then nothing is sent at all.

use std::collections::BTreeSet;

use domain::{
    ids::OrgId,
    pos::{
        endpoint::{Endpoints, Notice},
        event::Event,
    },
};
use runtime::{BoxError, Ctx, queue};

use crate::{Outgoing, send_all};

/// An event, and which record of the batch tells it.
pub(crate) struct Told {
    pub(crate) record: usize,
    pub(crate) org: OrgId,
    pub(crate) event: Event,
}

/// Sends each event to each endpoint that hears of it; the first record whose event was not taken.
pub(crate) async fn tell_all(ctx: &Ctx, told: Vec<Told>) -> Option<usize> {
    let first = told.first()?.record;
    match notices(ctx, told).await {
        Ok(notices) => send_all(ctx, &ctx.settings().webhooks_queue_url, notices).await,
        Err(error) => {
            tracing::warn!(%error, "events not told");
            Some(first)
        }
    }
}

async fn notices(ctx: &Ctx, told: Vec<Told>) -> Result<Vec<Outgoing>, BoxError> {
    let orgs: BTreeSet<OrgId> = told.iter().map(|told| told.org).collect();
    let endpoints = ctx.store().pos().load_endpoints_of(orgs.into_iter()).await?;
    let mut notices = Vec::new();
    for told in &told {
        for notice in addressed(&endpoints, told) {
            notices.push(Outgoing { record: told.record, body: queue::message(&notice)?, delay: 0 });
        }
    }
    Ok(notices)
}

/// One message per endpoint that hears of an event.
fn addressed<'a>(endpoints: &'a [Endpoints], told: &'a Told) -> impl Iterator<Item = Notice> + 'a {
    let own = endpoints.iter().filter(|endpoints| endpoints.org == told.org);
    let hearing = own.flat_map(|endpoints| endpoints.hearing(told.event.kind));
    hearing.map(|endpoint| Notice { org: told.org, endpoint: endpoint.id, event: told.event.clone() })
}

#[cfg(test)]
mod tests {
    use domain::{
        ids::EndpointId,
        pos::{endpoint::Endpoint, event::EventKind},
    };
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_event_goes_to_those_of_its_organization_that_hear_of_it() {
        let org = |n| OrgId::from_random([n; 16]);
        let endpoint = |n, events: &[EventKind]| {
            let (id, url) = (EndpointId::from_random([n; 16]), "https://example.com/".to_owned());
            Endpoint::new(id, url, events.iter().copied().collect(), "k1", Timestamp::UNIX_EPOCH)
        };
        let all = |n, endpoints| Endpoints { endpoints, ..Endpoints::none(org(n)) };
        let endpoints = [
            all(1, vec![endpoint(1, &[]), endpoint(2, &[EventKind::Deleted]), endpoint(3, &[EventKind::Created])]),
            all(2, vec![endpoint(4, &[])]),
        ];
        let event =
            Event { id: "evt_1".into(), kind: EventKind::Created, at: Timestamp::UNIX_EPOCH, data: Default::default() };
        let told = |n| Told { record: 0, org: org(n), event: event.clone() };
        let notices =
            |n| addressed(&endpoints, &told(n)).map(|notice| notice.endpoint.0.as_bytes()[0]).collect::<Vec<_>>();
        assert_eq!(notices(1), [1, 3]);
        assert_eq!(notices(2), [4]);
        assert!(notices(3).is_empty());
    }
}
