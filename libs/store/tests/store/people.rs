//! Organizations, members, tokens, addresses that ask too often, galleries, subscribers.

use domain::{
    ids::{GalleryId, ImageId, UserId},
    member::{Member, Org, Role},
    tickets::gallery::{Gallery, Image},
};
use futures_util::future::join_all;
use store::{StoreError, Subscription, Token, TokenKind};

use crate::world::*;

fn member(n: u8, email: &str) -> Member {
    let user = UserId::from_random([n; 16]);
    Member::new(user, org(), email.into(), "Eva".into(), Some(Role::Staff), now())
}

#[tokio::test]
async fn members_are_found_by_id_and_by_organization() {
    let world = World::new().await;
    let (eva, ada) = (member(1, "eva@example.com"), member(2, "ada@example.com"));
    world.store.save_member(&eva).await.unwrap();
    world.store.save_member(&ada).await.unwrap();
    world.store.save_member(&Member { org: other_org(), ..member(3, "x@example.com") }).await.unwrap();
    let item = world.item(&format!("USER#{}", eva.user), "MEMBER").await.unwrap();
    assert_keys(
        &item,
        &[
            ("pk", format!("USER#{}", eva.user)),
            ("sk", "MEMBER".into()),
            ("gsi1pk", format!("ORG#{}#MEMBERS", org())),
            ("gsi1sk", "eva@example.com".into()),
            ("entity", "member".into()),
        ],
    );
    assert_eq!(world.store.load_member(eva.user).await.unwrap(), Some(eva.clone()));
    assert_eq!(world.store.list_members(org()).await.unwrap(), [ada, eva.clone()]);

    world.store.touch_login(eva.user, later(9)).await.unwrap();
    let touched = world.store.load_member(eva.user).await.unwrap().unwrap();
    assert_eq!(touched, Member { last_login_at: Some(later(9)), ..eva });
    let nobody = UserId::from_random([9; 16]);
    world.store.touch_login(nobody, now()).await.unwrap();
    assert_eq!(world.store.load_member(nobody).await.unwrap(), None, "a sign-in makes no member");
}

#[tokio::test]
async fn organizations() {
    let world = World::new().await;
    let organization = |id, name: &str| Org::new(id, name.into(), now());
    let (b, a) = (organization(org(), "Beta"), organization(other_org(), "Alpha"));
    world.store.save_org(&b).await.unwrap();
    world.store.save_org(&a).await.unwrap();
    let item = world.item(&format!("ORG#{}", org()), "ORG").await.unwrap();
    assert_keys(
        &item,
        &[
            ("pk", format!("ORG#{}", org())),
            ("sk", "ORG".into()),
            ("gsi1pk", "ORGS".into()),
            ("gsi1sk", format!("Beta#{}", org())),
            ("entity", "org".into()),
        ],
    );
    assert_eq!(world.store.load_org(org()).await.unwrap(), Some(b.clone()));
    assert_eq!(world.store.list_orgs().await.unwrap(), [a, b]);
}

#[tokio::test]
async fn a_token_dies_by_its_time() {
    let world = World::new().await;
    let token = Token {
        hash: "ab".repeat(32),
        kind: TokenKind::Guest,
        org: org(),
        subject: "table-5".into(),
        scopes: vec!["menu:read".into()],
        expires_at: later(60),
    };
    world.store.save_token(&token).await.unwrap();
    let item = world.item(&format!("TOKEN#{}", token.hash), "TOKEN").await.unwrap();
    assert_keys(&item, &[("pk", format!("TOKEN#{}", token.hash)), ("sk", "TOKEN".into()), ("entity", "token".into())]);
    assert_eq!(item["ttl"], n(later(60).as_second()));
    assert_eq!(world.store.load_token(&token.hash, later(59)).await.unwrap(), Some(token.clone()));
    assert_eq!(world.store.load_token(&token.hash, later(60)).await.unwrap(), None);
    assert_eq!(world.store.load_token("other", now()).await.unwrap(), None);
    world.store.delete_token(&token.hash).await.unwrap();
    assert_eq!(world.store.load_token(&token.hash, now()).await.unwrap(), None);
}

#[tokio::test]
async fn requests_are_counted_by_address_and_window() {
    let world = World::new().await;
    let count = async |address: &str, window, requests| {
        world.store.count_requests("auth", address, window, 900, requests).await.unwrap()
    };
    assert_eq!(count("192.0.2.1", 7, 1).await, 1);
    assert_eq!(count("192.0.2.1", 7, 4).await, 5);
    assert_eq!(count("192.0.2.2", 7, 1).await, 1);
    assert_eq!(count("192.0.2.1", 8, 1).await, 1);
    let item = world.item("RATE#auth#192.0.2.1", "7").await.unwrap();
    assert_keys(&item, &[("pk", "RATE#auth#192.0.2.1".into()), ("sk", "7".into()), ("entity", "rate".into())]);
    assert_eq!(item["ttl"], n(9 * 900));
}

#[tokio::test]
async fn galleries() {
    let world = World::new().await;
    let image = Image { id: ImageId::from_random([3; 16]), url: "u".into(), thumbnail: None, caption: None };
    let gallery = |n: u8| Gallery {
        id: GalleryId::from_random([n; 16]),
        org: org(),
        title: format!("Gallery {n}"),
        description: None,
        event_id: None,
        photographer: None,
        cover: None,
        is_published: false,
        images: vec![image.clone()],
        version: 1,
        created_at: later(n.into()),
    };
    let (older, newer) = (gallery(1), gallery(2));
    for gallery in [&older, &newer] {
        world.store.create_gallery(gallery, &audit(&gallery.title)).await.unwrap();
    }
    let item = world.item(&format!("GALLERY#{}", older.id), "GALLERY").await.unwrap();
    assert_keys(
        &item,
        &[
            ("pk", format!("GALLERY#{}", older.id)),
            ("sk", "GALLERY".into()),
            ("gsi1pk", format!("ORG#{}#GALLERIES", org())),
            ("gsi1sk", format!("{}#{}", later(1).as_millisecond(), older.id)),
            ("entity", "gallery".into()),
        ],
    );
    assert_eq!(world.store.load_gallery(older.id).await.unwrap(), Some(older.clone()));
    assert_eq!(world.store.list_galleries(org()).await.unwrap(), [newer.clone(), older.clone()]);
    assert!(world.store.list_galleries(other_org()).await.unwrap().is_empty());
    let again = world.store.create_gallery(&older, &audit("again")).await;
    assert!(matches!(again, Err(StoreError::Stale)));

    let edited = Gallery { title: "Edited".into(), ..older.clone() };
    world.store.edit_gallery(&edited, &audit("edit 1")).await.unwrap();
    assert!(matches!(world.store.edit_gallery(&edited, &audit("edit 2")).await, Err(StoreError::Stale)));
    let saved = world.store.load_gallery(older.id).await.unwrap().unwrap();
    assert_eq!(saved, Gallery { version: 2, ..edited });

    let foreign = Gallery { org: other_org(), ..saved.clone() };
    assert!(matches!(world.store.delete_gallery(&foreign, &audit("foreign")).await, Err(StoreError::Stale)));
    world.store.delete_gallery(&saved, &audit("delete")).await.unwrap();
    assert!(matches!(world.store.delete_gallery(&saved, &audit("twice")).await, Err(StoreError::Stale)));
    assert_eq!(world.store.list_galleries(org()).await.unwrap(), [newer]);
    assert_eq!(world.all("audit").await.len(), 4);
}

#[tokio::test]
async fn subscribers_are_told_what_they_were() {
    let world = World::new().await;
    let email = "ana@example.com";
    let (on, off) = (
        async || world.store.subscribe(org(), email, now()).await.unwrap(),
        async || world.store.unsubscribe(org(), email, later(1)).await.unwrap(),
    );
    assert_eq!(on().await, Subscription::New);
    assert_eq!(on().await, Subscription::Active);
    assert_eq!(off().await, Subscription::Active);
    assert_eq!(on().await, Subscription::Inactive);
    let pk = format!("ORG#{}#SUBSCRIBER#{email}", org());
    let item = world.item(&pk, "SUBSCRIBER").await.unwrap();
    assert_keys(&item, &[("pk", pk), ("sk", "SUBSCRIBER".into()), ("entity", "subscriber".into())]);
    assert_eq!(text(&item, "email"), email);
    assert_eq!(world.store.unsubscribe(org(), "new@example.com", now()).await.unwrap(), Subscription::New);
    assert_eq!(world.store.subscribe(other_org(), email, now()).await.unwrap(), Subscription::New);
}

#[tokio::test]
async fn all_members_are_listed_however_many_there_are() {
    let world = World::new().await;
    let many = 1005_u32;
    let member = |i: u32| {
        let mut id = [1; 16];
        id[..4].copy_from_slice(&i.to_be_bytes());
        let email = format!("{i:04}@example.com");
        Member::new(UserId::from_random(id), org(), email, "A".into(), Some(Role::Staff), now())
    };
    let members: Vec<Member> = (0..many).map(member).collect();
    for chunk in members.chunks(50) {
        join_all(chunk.iter().map(|member| world.store.save_member(member))).await;
    }
    assert_eq!(world.store.list_members(org()).await.unwrap().len(), many as usize);
}
