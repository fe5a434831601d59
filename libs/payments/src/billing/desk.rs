//! Where an organization's subscription is begun, bought, and kept as Stripe has it.

use domain::{
    ids::OrgId,
    member::{Member, Org},
    pos::{
        billing::{Followed, TRIAL_DAYS},
        subscription::{Platform, Subscription, SubscriptionStatus},
    },
};
use jiff::Timestamp;
use store::{Store, StoreError};
use uuid::Uuid;

use super::{BilledSubscription, Named, NewCustomer, NewSubscription, NewUpgrade};
use crate::{client::Stripe, transport::StripeError};

/// How often a change is decided again because the subscription changed under it.
const ROUNDS: usize = 10;

/// Who asks for a page within the same half hour gets the same page, seconds.
const SAME_PAGE: i64 = 30 * 60;

/// How long a page is open at least, seconds: the 30 minutes that Stripe demands, and five for clocks that differ.
const OPEN: i64 = 35 * 60;

/// What is sold on the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Stripe's price of the pro tier, `price_…`.
    pub price: String,
    /// Stripe's coupon that makes the first month cheaper.
    pub coupon: Option<String>,
}

/// Why nothing became of it.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// There is nothing more to buy.
    #[error("Your organization already has a subscription")]
    AlreadySubscribed,
    /// Stripe.
    #[error(transparent)]
    Stripe(#[from] StripeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A subscription that has begun, and what its card is confirmed by.
#[derive(Clone, Debug)]
pub struct Started {
    /// The organization's subscription now.
    pub subscription: Subscription,
    /// Stripe's secret.
    pub client_secret: Option<String>,
}

/// Where subscriptions are sold and kept up with, as of now.
#[derive(Clone, Copy, Debug)]
pub struct Billing<'a> {
    /// The database.
    pub store: &'a Store,
    /// Stripe; absent when payments are not configured.
    pub stripe: Option<&'a Stripe>,
    /// What is sold; absent where nothing is.
    pub plan: Option<&'a Plan>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Billing<'a> {
    fn stripe(&self) -> Result<&'a Stripe, StripeError> {
        self.stripe.ok_or(StripeError::NotConfigured { message: "there is no key" })
    }

    fn plan(&self) -> Result<&'a Plan, StripeError> {
        self.plan.ok_or(StripeError::NotConfigured { message: "there is no price of a subscription" })
    }

    fn offer(&self, subscription: &Subscription, customer: String) -> Result<NewSubscription, StripeError> {
        let plan = self.plan()?;
        Ok(NewSubscription {
            org: subscription.org,
            customer,
            price: plan.price.clone(),
            coupon: plan.coupon.clone().filter(|_| subscription.is_first()),
            trial_days: subscription.is_first().then_some(TRIAL_DAYS),
        })
    }

    /// Begins the trial of an organization that has just begun with `subscription`. Fails without harm: what Stripe began
    /// nevertheless, its notice tells; and what it did not, is bought later.
    pub async fn begin_trial(
        &self,
        subscription: &Subscription,
        org: &Org,
        owner: &Member,
    ) -> Result<Started, BillingError> {
        let stripe = self.stripe()?;
        let customer = self.create_customer(org, owner).await?;
        let offer = self.offer(subscription, customer)?;
        let begun = stripe.create_subscription(&offer, &format!("trial:{}", org.id)).await?;
        let Followed::Changed(next) = subscription.follow(&begun.said) else {
            return Err(StripeError::Unexpected { message: "a subscription that is over when it begins".into() }.into());
        };
        let subscription = match self.store.pos().save_subscription(Some(subscription), &next).await {
            Ok(()) => *next,
            // Its notice was faster, and knows as much or more.
            Err(StoreError::Stale) => self.store.pos().load_terms(org.id).await?.subscription.unwrap_or(*next),
            Err(error) => return Err(error.into()),
        };
        Ok(Started { subscription, client_secret: begun.client_secret })
    }

    async fn create_customer(&self, org: &Org, payer: &Member) -> Result<String, StripeError> {
        let new = NewCustomer { org: org.id, name: org.name.clone(), email: payer.email.clone() };
        let key = format!("customer:{}", org.id);
        match self.stripe()?.create_customer(&new, &key).await {
            // Another payer, or another name, within the day. A customer who never buys does no harm.
            Err(StripeError::KeyReused) => self.stripe()?.create_customer(&new, &format!("{key}:{}", self.now)).await,
            created => created,
        }
        .map(|customer| customer.id)
    }

    /// The organization's subscription with its customer at Stripe, made and written if there is none. Whoever else asks at
    /// once: the one that is written first is the one that all use.
    async fn subscription_of(&self, org: &Org, payer: &Member) -> Result<(Subscription, String), BillingError> {
        for _ in 0..ROUNDS {
            let before = self.store.pos().load_terms(org.id).await?.subscription;
            if let Some((subscription, customer)) =
                before.as_ref().and_then(|known| Some((known, known.stripe_customer.as_ref()?)))
            {
                return Ok((subscription.clone(), customer.clone()));
            }
            if before.as_ref().is_some_and(Subscription::is_subscribed) {
                return Err(BillingError::AlreadySubscribed);
            }
            let customer = self.create_customer(org, payer).await?;
            let starter = || Subscription::starter(Uuid::new_v4(), org.id, payer.user, self.now);
            let mut after = before.clone().unwrap_or_else(starter);
            after.version += u32::from(before.is_some());
            after.stripe_customer = Some(customer.clone());
            match self.store.pos().save_subscription(before.as_ref(), &after).await {
                Ok(()) => return Ok((after, customer)),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// The address of the page on which an organization buys the paid tier. There is one page at a time, and none for who has
    /// bought, even if Stripe's notice of that is still on its way: nobody shall pay twice.
    pub async fn open_upgrade(&self, org: &Org, payer: &Member, portal: &str) -> Result<String, BillingError> {
        let stripe = self.stripe()?;
        self.plan()?;
        let (subscription, customer) = self.subscription_of(org, payer).await?;
        if subscription.is_subscribed() {
            return Err(BillingError::AlreadySubscribed);
        }
        let (bought, open) = tokio::join!(stripe.list_subscriptions(&customer), stripe.list_open_upgrades(&customer));
        let is_bought = |found: &BilledSubscription| {
            found.org == Some(org.id) && !found.said.is_over() && found.said.status != SubscriptionStatus::Incomplete
        };
        if let Some(bought) = bought?.into_iter().find(is_bought) {
            self.follow_subscription(&Named { subscription: bought.said.id, org: Some(org.id) }).await?;
            return Err(BillingError::AlreadySubscribed);
        }
        let ours = |mode: Option<&str>| mode == Some("subscription");
        if let Some(url) = open?.into_iter().find_map(|page| page.url.filter(|_| ours(page.mode.as_deref()))) {
            return Ok(url);
        }
        let begins = self.now.as_second() - self.now.as_second().rem_euclid(SAME_PAGE);
        let new = NewUpgrade {
            subscription: self.offer(&subscription, customer)?,
            success_url: format!("{portal}?upgrade=success&session_id={{CHECKOUT_SESSION_ID}}"),
            cancel_url: format!("{portal}?upgrade=canceled"),
            expires_at: begins + SAME_PAGE + OPEN,
        };
        let key = format!("upgrade:{}:{}:{begins}", org.id, subscription.version);
        let page = stripe.open_upgrade(&new, &key).await?;
        page.url.ok_or_else(|| StripeError::Unexpected { message: "a page without an address".into() }.into())
    }

    /// A notice of Stripe's is about this subscription: asks what it is now, and writes that down.
    ///
    /// Events come late, twice, and in any order, and two of them can be of the same second; what they hold is not looked at.
    /// The organization's subscription is read *before* Stripe is asked, and written on the condition that it is still as it
    /// was read. So an answer never overwrites one that Stripe gave later, and whichever event is applied last has asked after
    /// the last change: any duplicates and any order lead to the same state. Strangers are acknowledged.
    pub async fn follow_subscription(&self, named: &Named) -> Result<(), BillingError> {
        let id = &named.subscription;
        let Some(org) = self.owner_of(named).await? else {
            tracing::warn!(subscription = id, "an event of a subscription that is nobody's");
            return Ok(());
        };
        for _ in 0..ROUNDS {
            let Some(before) = self.store.pos().load_terms(org).await?.subscription else {
                tracing::warn!(%org, subscription = id, "an event of a subscription whose organization has none");
                return Ok(());
            };
            let Some(asked) = self.ask(id).await?.filter(|asked| asked.org == Some(org)) else {
                tracing::warn!(%org, subscription = id, "an event of a subscription that Stripe does not know so");
                return Ok(());
            };
            let after = match before.follow(&asked.said) {
                Followed::Unchanged => return Ok(()),
                Followed::Changed(after) => after,
                Followed::OneTooMany => match self.predecessor(&before).await? {
                    Some(ended) => ended,
                    None => {
                        tracing::error!(%org, subscription = id, "a second subscription is cancelled");
                        self.give_back(id).await?;
                        self.stripe()?.cancel_subscription(id).await?;
                        return Ok(());
                    }
                },
            };
            match self.store.pos().save_subscription(Some(&before), &after).await {
                Ok(()) if after.stripe_subscription.as_ref() == Some(id) => {
                    tracing::info!(%org, status = after.status.as_str(), "a subscription was followed");
                    return Ok(());
                }
                // Its predecessor's end was written: now it is its own turn.
                Ok(()) | Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Gives what was last paid for a subscription that is one too many back to where it came from, once. Before it is cancelled,
    /// since nobody comes back to one that is over. What Stripe refuses for good does not keep it running.
    async fn give_back(&self, id: &str) -> Result<(), StripeError> {
        let stripe = self.stripe()?;
        let Some(payment) = stripe.last_payment(id).await? else { return Ok(()) };
        match stripe.refund_payment(&payment, None, &format!("second-subscription:{id}")).await {
            Ok(_) | Err(StripeError::AlreadyRefunded) => Ok(()),
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                tracing::error!(subscription = id, %error, "the money of a second subscription was not given back");
                Ok(())
            }
        }
    }

    async fn owner_of(&self, named: &Named) -> Result<Option<OrgId>, StripeError> {
        match named.org {
            Some(org) => Ok(Some(org)),
            None => Ok(self.ask(&named.subscription).await?.and_then(|asked| asked.org)),
        }
    }

    async fn ask(&self, id: &str) -> Result<Option<BilledSubscription>, StripeError> {
        match self.stripe()?.retrieve_subscription(id).await {
            Ok(asked) => Ok(Some(asked)),
            Err(StripeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What stands in another subscription's way may be over, and we not told yet: then, how it ended.
    async fn predecessor(&self, before: &Subscription) -> Result<Option<Box<Subscription>>, StripeError> {
        let Some(id) = before.stripe_subscription.as_ref().filter(|_| before.platform == Platform::Stripe) else {
            return Ok(None);
        };
        let Some(asked) = self.ask(id).await? else { return Ok(None) };
        Ok(match before.follow(&asked.said) {
            Followed::Changed(ended) if asked.said.is_over() => Some(ended),
            _ => None,
        })
    }
}
