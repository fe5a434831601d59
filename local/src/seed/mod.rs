//! Demo data, written on the first start by the code that production runs: the user pool's sign-up and the store.
//!
//! Two organizations, so that one can see that neither sees the other. Ids are fixed, so that links, scripts and a
//! half-finished first start come to the same data; users' ids are the user pool's, and so are kept in `demo.json`.

mod content;
pub mod counter;
mod picture;

use std::path::Path;

use anyhow::Context as _;
use domain::{
    ids::{EventId, GalleryId, OrgId, TierId, UserId},
    member::{Member, Org, Role},
};
use futures_util::future::try_join_all;
use identity::IdentityError;
use jiff::Timestamp;
use runtime::Ctx;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The organization whose storefront the local cloud serves: the template's parameter `TicketsOrgId`.
pub const ORG_ID: OrgId = OrgId(id(0x01));

/// Another tenant of the same cloud.
pub const OTHER_ORG_ID: OrgId = OrgId(id(0x02));

/// A fixed UUID (version 4) for the `n`th thing of the demo data.
const fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x00fa_14fa_0000_4000_8000_0000_0000_0000 + n)
}

/// Name, e-mail, password, role and organization of everybody who can sign in. The passwords have a letter in either case,
/// a digit, a symbol and more than eight characters, whatever policy the template sets.
const PEOPLE: [(&str, &str, &str, Role, OrgId); 4] = [
    ("Sofia Reyes", "superadmin@home.example", "Lantern-super-1", Role::Superadmin, ORG_ID),
    ("Adam Okafor", "admin@home.example", "Lantern-admin-1", Role::Admin, ORG_ID),
    ("Stine Holm", "staff@home.example", "Lantern-staff-1", Role::Staff, ORG_ID),
    ("Olga Petrova", "admin@other.example", "Lantern-other-1", Role::Admin, OTHER_ORG_ID),
];

/// The surface that the demo data's people are made for.
const GATE: &str = "tickets";

/// Everything a person or a script needs to use the demo data: what `GET /_local/demo` answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Demo {
    /// Who can sign in.
    pub users: Vec<DemoUser>,
    /// What signs the webhooks.
    pub webhook_secrets: WebhookSecrets,
    /// "Home Productions", whose storefront it is.
    pub org_id: OrgId,
    /// "Other Productions".
    pub other_org_id: OrgId,
    /// An event on sale.
    pub event_id: EventId,
    /// Its tiers: General, VIP, and the free one.
    pub tier_ids: Vec<TierId>,
    /// General: 25.00, 100 tickets.
    pub tier_id: TierId,
    /// VIP: 60.00, 20 tickets.
    pub vip_tier_id: TierId,
    /// Free, 30 tickets.
    pub free_tier_id: TierId,
    /// An event that only staff see.
    pub draft_event_id: EventId,
    /// An event that has taken place.
    pub completed_event_id: EventId,
    /// An event of the other organization, on sale.
    pub other_event_id: EventId,
    /// Its tier.
    pub other_tier_id: TierId,
    /// A published gallery.
    pub gallery_id: GalleryId,
    /// A gallery that only staff see.
    pub hidden_gallery_id: GalleryId,
    /// Where everything is.
    pub urls: Urls,
}

/// Somebody who can sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoUser {
    /// Full name.
    pub name: String,
    /// The sign-in name.
    pub email: String,
    /// The password.
    pub password: String,
    /// As that surface calls it: `superadmin`, `admin` or `staff`; at the counter `owner`, `admin` or `user`.
    pub role: String,
    /// Where they sign in: `tickets` or `pos`. Each of them may at both.
    pub surface: String,
    /// The organization's name.
    pub org: String,
    /// The organization.
    pub org_id: OrgId,
    /// The user pool's `sub`.
    pub user_id: UserId,
}

/// What signs each webhook.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WebhookSecrets {
    /// `POST /tickets/api/webhook/payment`.
    pub tickets: String,
    /// `POST /pos/stripe/webhook`.
    pub stripe: String,
    /// `POST /pos/stripe/connect-webhooks`.
    pub stripe_connect: String,
}

/// Where everything is. Base URLs have no slash at the end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Urls {
    /// The API.
    pub api: String,
    /// The control page.
    pub control: String,
    /// The API's documentation.
    pub docs: String,
    /// Its OpenAPI description.
    pub openapi: String,
    /// The AWS endpoint; empty when it is AWS's own.
    pub aws: String,
    /// What stands in for Stripe; empty when it is Stripe's own.
    pub stripe: String,
    /// Objects of the media bucket.
    pub media: String,
}

impl Demo {
    /// Somebody with this role in "Home Productions".
    pub fn user(&self, role: Role) -> Option<&DemoUser> {
        self.users.iter().find(|user| user.role == role.as_str() && user.org_id == self.org_id)
    }

    /// The admin of "Other Productions".
    pub fn other_admin(&self) -> Option<&DemoUser> {
        self.users.iter().find(|user| user.org_id == self.other_org_id)
    }

    /// Three lines for a shell that sell a ticket: order two, pay, read the e-mail.
    pub fn curl_lines(&self) -> [String; 3] {
        let Urls { api, .. } = &self.urls;
        let json = "-H 'content-type: application/json'";
        let (event, tier) = (self.event_id, self.tier_id);
        let order = format!(
            r#"{{"eventId":"{event}","tierId":"{tier}","buyerName":"Ada Lovelace","buyerEmail":"ada@buyer.example","quantity":2}}"#
        );
        [
            format!(
                r#"PAY=$(curl -s {api}/tickets/api/orders {json} -d '{order}' | sed -E 's/.*"paymentUrl":"([^"]+)".*/\1/'); echo "$PAY""#
            ),
            format!(r#"curl -s "${{PAY/c\/pay/_local/pay}}" {json} -d '{{}}'"#),
            // The e-mail follows the payment by way of webhook, stream and queue; of its JSON, only the beginning is to read.
            format!("sleep 1; curl -s '{api}/_local/mailbox?to=ada@buyer.example' | head -c 800; echo"),
        ]
    }
}

/// Makes sure that the demo data is there, and tells what it is.
///
/// The first start writes it and, where there is a `data_dir`, `demo.json` in it; later ones find it and only look up
/// whether the database still has it. Secrets and URLs are always those of the present settings.
pub async fn ensure(ctx: &Ctx, data_dir: Option<&Path>) -> anyhow::Result<Demo> {
    let file = data_dir.map(|dir| dir.join("demo.json"));
    let users = match kept_users(ctx, file.as_deref()).await? {
        Some(users) => users,
        None => plant(ctx).await.context("writing the demo data")?,
    };
    let demo = describe(ctx, users);
    if let Some(owner) = demo.user(Role::Superadmin) {
        counter::ensure_subscription(ctx, owner.user_id).await.context("subscribing")?;
    }
    if let Some(file) = file {
        std::fs::write(&file, serde_json::to_vec_pretty(&demo)?)
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(demo)
}

/// The users of an earlier start, if both the database and the user pool still have them.
async fn kept_users(ctx: &Ctx, file: Option<&Path>) -> anyhow::Result<Option<Vec<DemoUser>>> {
    let kept = file.and_then(|file| std::fs::read(file).ok());
    let kept: Option<Demo> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some((demo, last)) = kept.as_ref().and_then(|demo| Some((demo, demo.users.last()?))) else { return Ok(None) };
    // What `plant` writes last: with it, all is there.
    let (org, user) = tokio::join!(ctx.store().load_org(OTHER_ORG_ID), ctx.identity().find_user(&last.email));
    let whole = org?.is_some() && user?.is_some_and(|user| user.id == last.user_id);
    Ok(whole.then(|| demo.users.iter().filter(|user| user.surface == GATE).cloned().collect()))
}

/// Writes everything: people first, since they are the authors of the rest, organizations last, as the mark that all is
/// there. Each step finds what an earlier, interrupted one has written.
async fn plant(ctx: &Ctx) -> anyhow::Result<Vec<DemoUser>> {
    let now = ctx.now();
    let users = try_join_all(PEOPLE.map(|person| sign_up(ctx, person, now))).await?;
    let author = |org: OrgId| users.iter().find(|user| user.org_id == org && user.role != Role::Superadmin.as_str());
    content::create(ctx, author, now).await?;
    for id in [ORG_ID, OTHER_ORG_ID] {
        ctx.store().save_org(&Org::new(id, org_name(id).to_owned(), now)).await?;
    }
    Ok(users)
}

fn org_name(org: OrgId) -> &'static str {
    if org == ORG_ID { "Home Productions" } else { "Other Productions" }
}

async fn sign_up(
    ctx: &Ctx,
    (name, email, password, role, org): (&str, &str, &str, Role, OrgId),
    now: Timestamp,
) -> anyhow::Result<DemoUser> {
    let user = match ctx.identity().create_user(email, Some(password), &[role.as_str()]).await {
        Err(IdentityError::EmailExists) => {
            ctx.identity().set_password(email, password).await?;
            ctx.identity().find_user(email).await?.with_context(|| format!("{email} is taken, and is not there"))?.id
        }
        created => created?,
    };
    let member = Member::new(user, org, email.to_owned(), name.to_owned(), Some(role), now);
    ctx.store().save_member(&member).await?;
    Ok(DemoUser {
        name: name.to_owned(),
        email: email.to_owned(),
        password: password.to_owned(),
        role: role.as_str().to_owned(),
        surface: GATE.to_owned(),
        org: org_name(org).to_owned(),
        org_id: org,
        user_id: user,
    })
}

/// The same person at the counter.
fn at_counter(user: &DemoUser) -> Option<DemoUser> {
    let (.., role, _) = PEOPLE.iter().find(|(_, email, ..)| *email == user.email)?;
    Some(DemoUser { role: role.pos_name().to_owned(), surface: "pos".to_owned(), ..user.clone() })
}

fn describe(ctx: &Ctx, mut users: Vec<DemoUser>) -> Demo {
    users.extend(users.iter().filter_map(at_counter).collect::<Vec<_>>());
    let settings = ctx.settings();
    let first = |secrets: &[String]| secrets.first().cloned().unwrap_or_default();
    let api = settings.public_url.clone();
    Demo {
        users,
        webhook_secrets: WebhookSecrets {
            tickets: first(&settings.tickets_webhook_secrets),
            stripe: first(&settings.stripe_webhook_secrets),
            stripe_connect: first(&settings.stripe_connect_webhook_secrets),
        },
        org_id: ORG_ID,
        other_org_id: OTHER_ORG_ID,
        event_id: content::EVENT_ID,
        tier_ids: vec![content::GENERAL, content::VIP, content::FREE],
        tier_id: content::GENERAL,
        vip_tier_id: content::VIP,
        free_tier_id: content::FREE,
        draft_event_id: content::DRAFT_ID,
        completed_event_id: content::COMPLETED_ID,
        other_event_id: content::OTHER_EVENT_ID,
        other_tier_id: content::OTHER_TIER,
        gallery_id: content::GALLERY_ID,
        hidden_gallery_id: content::HIDDEN_GALLERY_ID,
        urls: Urls {
            control: format!("{api}/"),
            docs: format!("{api}/docs"),
            openapi: format!("{api}/openapi.json"),
            aws: ctx.aws().endpoint("dynamodb").unwrap_or_default().trim_end_matches('/').to_owned(),
            stripe: settings.stripe_api_base.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
            media: settings.media_url.clone(),
            api,
        },
    }
}

#[cfg(test)]
mod tests;
