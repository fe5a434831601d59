//! What the demo organizations sell and show.

use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, GalleryId, ImageId, OrgId, TierId},
    money::{Cents, Currency},
    tickets::{
        event::{DEFAULT_HOLD_MINUTES, Event, EventKind, EventStatus, Tier, slug},
        gallery::{Gallery, Image},
    },
};
use futures_util::future::try_join_all;
use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};
use runtime::Ctx;
use store::StoreError;

use super::{DemoUser, ORG_ID, OTHER_ORG_ID, id, picture};

pub(super) const EVENT_ID: EventId = EventId(id(0x10));
pub(super) const GENERAL: TierId = TierId(id(0x11));
pub(super) const VIP: TierId = TierId(id(0x12));
pub(super) const FREE: TierId = TierId(id(0x13));
pub(super) const DRAFT_ID: EventId = EventId(id(0x20));
const DRAFT_TIER: TierId = TierId(id(0x21));
pub(super) const COMPLETED_ID: EventId = EventId(id(0x30));
const COMPLETED_TIER: TierId = TierId(id(0x31));
pub(super) const OTHER_EVENT_ID: EventId = EventId(id(0x40));
pub(super) const OTHER_TIER: TierId = TierId(id(0x41));
pub(super) const GALLERY_ID: GalleryId = GalleryId(id(0x50));
pub(super) const HIDDEN_GALLERY_ID: GalleryId = GalleryId(id(0x60));

/// Pictures by name; a name is the last part of an object's key.
const PICTURES: [&str; 7] = ["lanterns", "harbour", "ball", "other", "arrival", "dance", "farewell"];

/// Creates events, galleries, their pictures and the newsletter's subscribers. `author` is who made it, for the log.
pub(super) async fn create<'a>(
    ctx: &Ctx,
    author: impl Fn(OrgId) -> Option<&'a DemoUser>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let url = |name: &str| format!("{}/{}", ctx.settings().media_url, key_of(name));
    let log = |org: OrgId, kind: &str, entity: String| created(org, author(org), kind, entity, now);
    let events = events(url, now).into_iter().map(|event| {
        let entry = log(event.org, "event", event.id.to_string());
        async move { once(ctx.store().create_event(&event, &entry).await) }
    });
    let galleries = galleries(url, now).into_iter().map(|gallery| {
        let entry = log(gallery.org, "gallery", gallery.id.to_string());
        async move { once(ctx.store().create_gallery(&gallery, &entry).await) }
    });
    tokio::try_join!(try_join_all(events), try_join_all(galleries), upload_pictures(ctx), subscribe(ctx, now))?;
    Ok(())
}

/// What an earlier, interrupted start has written is as good.
fn once(written: Result<(), StoreError>) -> anyhow::Result<()> {
    match written {
        Ok(()) | Err(StoreError::Stale) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn created(org: OrgId, author: Option<&DemoUser>, kind: &str, entity: String, now: Timestamp) -> AuditEntry {
    AuditEntry {
        id: format!("demo-{entity}"),
        org,
        action: Action::Create,
        entity_type: kind.to_owned(),
        entity_id: entity,
        user: author.map(|author| author.user_id),
        user_name: author.map(|author| author.name.clone()),
        user_email: author.map(|author| author.email.clone()),
        old: None,
        new: None,
        ip: None,
        user_agent: None,
        at: now,
    }
}

fn key_of(picture: &str) -> String {
    format!("media/demo/{picture}.png")
}

async fn upload_pictures(ctx: &Ctx) -> anyhow::Result<()> {
    let put = |(mood, name): (usize, &'static str)| async move {
        let night = picture::night(mood)?;
        ctx.files().put(&key_of(name), night, "image/png", Some("public, max-age=300")).await?;
        anyhow::Ok(())
    };
    try_join_all(PICTURES.into_iter().enumerate().map(put)).await?;
    Ok(())
}

async fn subscribe(ctx: &Ctx, now: Timestamp) -> anyhow::Result<()> {
    let store = ctx.store();
    tokio::try_join!(
        store.subscribe(ORG_ID, "mira@reader.example", now),
        store.subscribe(ORG_ID, "jonas@reader.example", now),
        store.unsubscribe(ORG_ID, "away@reader.example", now),
    )?;
    Ok(())
}

fn tier(id: TierId, name: &str, description: &str, price: Cents, quantity: u32, max_per_order: u32) -> Tier {
    Tier {
        id,
        name: name.to_owned(),
        description: description.to_owned(),
        price,
        currency: Currency::USD,
        quantity,
        max_per_order,
        payment_link: None,
        is_active: true,
        sale_starts_at: None,
        sale_ends_at: None,
    }
}

fn event(id: EventId, org: OrgId, name: &str, date: civil::Date, tiers: Vec<Tier>, now: Timestamp) -> Event {
    Event {
        id,
        org,
        name: name.to_owned(),
        slug: slug(name),
        location: "Brooklyn, New York".to_owned(),
        venue: Some("The Glasshouse".to_owned()),
        date,
        time: civil::time(21, 0, 0, 0),
        description: None,
        kind: EventKind::Party,
        main_artist: None,
        artists: vec![],
        image: None,
        min_age: 18,
        status: EventStatus::Active,
        is_featured: false,
        hold_minutes: DEFAULT_HOLD_MINUTES,
        tiers,
        retired: vec![],
        version: 1,
        created_at: now,
    }
}

fn events(url: impl Fn(&str) -> String, now: Timestamp) -> Vec<Event> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let on = |days: i32| today.saturating_add(days.days());
    let lanterns = vec![
        tier(GENERAL, "General", "Entry from nine", Cents(2500), 100, 10),
        tier(VIP, "VIP", "Entry from eight, balcony, one drink", Cents(6000), 20, 10),
        tier(FREE, "Neighbours", "Free for those who live on the street", Cents::ZERO, 30, 2),
    ];
    vec![
        Event {
            description: Some("A hall full of paper lanterns, two floors of music, and breakfast at six.".to_owned()),
            main_artist: Some("Ida & the Moths".to_owned()),
            artists: vec!["Ida & the Moths".to_owned(), "Tinder Box".to_owned(), "Paper Crane".to_owned()],
            image: Some(url("lanterns")),
            is_featured: true,
            ..event(EVENT_ID, ORG_ID, "Night of Lanterns", on(30), lanterns, now)
        },
        Event {
            kind: EventKind::Concert,
            status: EventStatus::Draft,
            venue: Some("Pier 9".to_owned()),
            image: Some(url("harbour")),
            ..event(
                DRAFT_ID,
                ORG_ID,
                "Harbour Session",
                on(75),
                vec![tier(DRAFT_TIER, "General", "", Cents(1800), 200, 10)],
                now,
            )
        },
        Event {
            status: EventStatus::Completed,
            image: Some(url("ball")),
            ..event(
                COMPLETED_ID,
                ORG_ID,
                "Winter Ball",
                on(-40),
                vec![tier(COMPLETED_TIER, "General", "", Cents(2000), 150, 10)],
                now,
            )
        },
        Event {
            location: "Queens, New York".to_owned(),
            venue: Some("Warehouse 12".to_owned()),
            image: Some(url("other")),
            ..event(
                OTHER_EVENT_ID,
                OTHER_ORG_ID,
                "Someone Else's Party",
                on(20),
                vec![tier(OTHER_TIER, "General", "", Cents(1500), 40, 10)],
                now,
            )
        },
    ]
}

fn galleries(url: impl Fn(&str) -> String, now: Timestamp) -> Vec<Gallery> {
    let image = |n: u128, name: &str, caption: &str| Image {
        id: ImageId(id(n)),
        url: url(name),
        thumbnail: None,
        caption: Some(caption.to_owned()),
    };
    let gallery = |id: GalleryId, title: &str, images: Vec<Image>| Gallery {
        id,
        org: ORG_ID,
        title: title.to_owned(),
        description: None,
        event_id: None,
        photographer: Some("Noor Haddad".to_owned()),
        cover: None,
        is_published: true,
        images,
        version: 1,
        created_at: now,
    };
    let ball = vec![
        image(0x51, "arrival", "The first through the door"),
        image(0x52, "dance", "Midnight"),
        image(0x53, "farewell", "Somebody always stays"),
    ];
    vec![
        Gallery {
            event_id: Some(COMPLETED_ID),
            description: Some("What the night looked like.".to_owned()),
            ..gallery(GALLERY_ID, "Winter Ball", ball)
        },
        Gallery {
            is_published: false,
            ..gallery(HIDDEN_GALLERY_ID, "Rehearsals", vec![image(0x61, "harbour", "Sound check")])
        },
    ]
}
