//! The counter of "Home Productions": its account at Stripe, fully introduced, so that it takes cards from the start, and a
//! subscription without limits. "Other Productions" has neither, and so shows how a counter without them behaves.

use anyhow::Context as _;
use domain::{
    ids::UserId,
    money::Cents,
    pos::{connect::ConnectedAccount, subscription::Subscription, tier::Tier},
};
use runtime::Ctx;

use super::{ORG_ID, id, org_name};
use crate::stripe::Stripe;

/// The account.
pub const ACCOUNT_ID: &str = "acct_1FairgroundHome";

/// Makes sure that the account is there, at what stands in for Stripe and in the database.
pub async fn ensure_account(ctx: &Ctx, stripe: &Stripe) -> anyhow::Result<()> {
    if ctx.store().pos().load_terms(ORG_ID).await?.account.is_some() {
        return Ok(());
    }
    stripe.plant_account(ACCOUNT_ID, org_name(ORG_ID));
    let client = ctx.stripe().context("Stripe is not configured")?;
    let account = client.retrieve_account(ACCOUNT_ID).await?;
    let account = ConnectedAccount::opened(ORG_ID, account.id, account.facts, ctx.now());
    ctx.store().pos().open_account(&account).await?;
    Ok(())
}

/// Makes sure that the subscription is there: pro, taken by the owner.
pub async fn ensure_subscription(ctx: &Ctx, owner: UserId) -> anyhow::Result<()> {
    if ctx.store().pos().load_terms(ORG_ID).await?.subscription.is_some() {
        return Ok(());
    }
    let starter = Subscription::starter(id(0x70), ORG_ID, owner, ctx.now());
    let pro = Subscription { tier: Tier::Pro, price: Cents(2999), ..starter };
    ctx.store().pos().save_subscription(None, &pro).await?;
    Ok(())
}
