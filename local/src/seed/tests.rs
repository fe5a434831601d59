use domain::tickets::event::EventStatus;

use super::*;
use crate::{Cloud, Options};

#[tokio::test]
async fn planting_twice_is_planting_once() {
    let cloud = Cloud::start(Options { demo: true, rate_limit: false, ..Options::default() }).await.unwrap();
    let (ctx, demo) = (cloud.ctx("tickets-admin"), cloud.demo().unwrap().clone());
    // Without a file, nothing tells that all is there: each step must find it by itself.
    let again = ensure(&ctx, None).await.unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&demo).unwrap());

    let members = ctx.store().list_members(ORG_ID).await.unwrap();
    assert_eq!(members.len(), 3);
    let events = ctx.store().list_events(ORG_ID).await.unwrap();
    assert_eq!(events.len(), 3);
    for status in [EventStatus::Active, EventStatus::Draft, EventStatus::Completed] {
        assert!(events.iter().any(|event| event.status == status), "{status:?}");
    }
    assert_eq!(ctx.store().list_events(OTHER_ORG_ID).await.unwrap().len(), 1);
    let stock = ctx.store().load_stock(&demo.tier_ids).await.unwrap();
    let capacity = |tier: TierId| stock[&tier].capacity();
    assert_eq!((capacity(demo.tier_id), capacity(demo.vip_tier_id), capacity(demo.free_tier_id)), (100, 20, 30));

    let gallery = ctx.store().load_gallery(demo.gallery_id).await.unwrap().unwrap();
    for image in &gallery.images {
        let picture = reqwest::get(&image.url).await.unwrap();
        assert_eq!(picture.headers()["content-type"], "image/png");
        assert!(picture.bytes().await.unwrap().starts_with(b"\x89PNG"));
    }
    for user in &demo.users {
        assert!(ctx.identity().sign_in(&user.email, &user.password).await.is_ok(), "{}", user.email);
    }
}

#[tokio::test]
async fn a_later_start_finds_what_the_first_wrote() {
    let dir = std::env::temp_dir().join(format!("fairground-{}", Uuid::new_v4()));
    let start = || Cloud::start(Options { demo: true, data: crate::Data::Dir(dir.clone()), ..Options::default() });
    let cloud = start().await.unwrap();
    let first = cloud.demo().unwrap().users.clone();
    cloud.stop().await;
    let cloud = start().await.unwrap();
    let ids = |users: &[DemoUser]| users.iter().map(|user| user.user_id).collect::<Vec<_>>();
    assert_eq!(ids(&cloud.demo().unwrap().users), ids(&first));
    assert_eq!(cloud.demo().unwrap().urls.api, cloud.url(), "a new port");
    cloud.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn the_main_flow_plays() {
    let cloud = Cloud::start(Options { demo: true, ..Options::default() }).await.unwrap();
    crate::demo::run(cloud.url()).await.unwrap();
}
