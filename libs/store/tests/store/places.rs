//! Places of staff: a limit that holds, however many are invited at once.

use domain::{
    ids::UserId,
    keyring::KeyRing,
    link::{LinkPurpose, LinkSecret},
    mail::{Mail, MailKey, MailPolicy},
    member::{Invitation, Member, Role},
};
use futures_util::future::join_all;
use store::{Link, Placed};
use uuid::Uuid;

use crate::world::*;

fn member(n: u8, role: Role) -> Member {
    let user = UserId::from_random([n; 16]);
    Member::new(user, org(), format!("m{n}@example.com"), "Eva Ek".into(), Some(role), now())
}

async fn invite(world: &World, n: u8, limit: Option<usize>) -> Placed {
    let member = member(n, Role::Staff);
    let id = Uuid::from_u128(n.into());
    let keys = KeyRing::parse(&format!("k1:{}", "ab".repeat(32))).unwrap();
    let secret = LinkSecret::derive(&keys, "k1", LinkPurpose::Invitation, id).unwrap();
    let link = Link::new(LinkPurpose::Invitation, id, &secret, "k1", member.user, now());
    let mail = Mail::new(MailKey::Invitation { user: member.user, id }, org(), MailPolicy::Send, now());
    let invitation = Invitation {
        by: UserId::from_random([99; 16]),
        at: now(),
        link_hash: Some(link.hash.clone()),
        accepted_at: None,
    };
    let invited = Member { invitation: Some(invitation), ..member };
    world.store.invite_member(&invited, &link, &mail, limit).await.unwrap()
}

async fn taken(world: &World) -> Item {
    world.item(&format!("ORG#{}", org()), "STAFF").await.unwrap()
}

#[tokio::test]
async fn of_ten_at_once_three_have_a_place() {
    let world = World::new().await;
    world.store.save_member(&member(50, Role::Superadmin)).await.unwrap();
    let placed = join_all((1..=10).map(|i| invite(&world, i, Some(3)))).await;
    assert_eq!(placed.iter().filter(|placed| **placed == Placed::Yes).count(), 3, "{placed:?}");
    assert_eq!(placed.iter().filter(|placed| **placed == Placed::Full).count(), 7, "{placed:?}");
    for entity in ["link", "mail"] {
        assert_eq!(world.all(entity).await.len(), 3, "{entity}");
    }
    assert_eq!(world.all("member").await.len(), 4);
    let figure = taken(&world).await;
    assert_eq!(figure["taken"], n(3));
    let keys = [("pk", format!("ORG#{}", org())), ("sk", "STAFF".into()), ("entity", "places".into())];
    assert_keys(&figure, &keys);
}

#[tokio::test]
async fn those_who_were_there_before_the_figure_count() {
    let world = World::new().await;
    let out = Member { is_active: false, ..member(23, Role::Admin) };
    let nobody = Member { role: None, ..member(24, Role::Admin) };
    for member in [member(20, Role::Superadmin), member(21, Role::Admin), member(22, Role::Staff), out, nobody] {
        world.store.save_member(&member).await.unwrap();
    }
    assert_eq!(invite(&world, 1, Some(3)).await, Placed::Yes);
    assert_eq!(invite(&world, 2, Some(3)).await, Placed::Full);
    assert_eq!(invite(&world, 1, None).await, Placed::No, "a member already");
    assert_eq!(invite(&world, 3, None).await, Placed::Yes, "no limit");
    assert_eq!(taken(&world).await["taken"], n(4));
}

#[tokio::test]
async fn who_is_shut_out_frees_a_place() {
    let world = World::new().await;
    assert_eq!(invite(&world, 1, Some(1)).await, Placed::Yes);
    let before = world.store.load_member(UserId::from_random([1; 16])).await.unwrap().unwrap();
    let out = Member { is_active: false, session_version: 1, ..before.clone() };
    let edits = join_all((0..4).map(|_| world.store.edit_staff(&before, &out, Some(1)))).await;
    let done = |placed: Placed| edits.iter().filter(|edit| *edit.as_ref().unwrap() == placed).count();
    assert_eq!((done(Placed::Yes), done(Placed::Yes) + done(Placed::No) + done(Placed::Full)), (1, 4));
    assert_eq!(taken(&world).await["taken"], n(0));
    assert_eq!(invite(&world, 2, Some(1)).await, Placed::Yes);

    let back = Member { is_active: true, ..out.clone() };
    assert_eq!(world.store.edit_staff(&out, &back, Some(1)).await.unwrap(), Placed::Full);
    assert_eq!(world.store.load_member(before.user).await.unwrap(), Some(out.clone()));
    assert_eq!(world.store.edit_staff(&out, &back, Some(2)).await.unwrap(), Placed::Yes);
    assert_eq!(taken(&world).await["taken"], n(2));

    let renamed = Member { name: "Eva Lund".into(), ..back.clone() };
    assert_eq!(world.store.edit_staff(&back, &renamed, Some(0)).await.unwrap(), Placed::Yes, "takes no other place");
    assert_eq!(world.store.edit_staff(&back, &renamed, None).await.unwrap(), Placed::No, "has changed");
    assert_eq!(taken(&world).await["taken"], n(2));
}

/// The figure is counted when it is first needed, be it by somebody who leaves.
#[tokio::test]
async fn the_first_who_needs_the_figure_may_be_leaving() {
    let world = World::new().await;
    let (eva, ada) = (member(1, Role::Staff), member(2, Role::Admin));
    for member in [&eva, &ada] {
        world.store.save_member(member).await.unwrap();
    }
    let out = Member { is_active: false, ..eva.clone() };
    assert_eq!(world.store.edit_staff(&eva, &out, None).await.unwrap(), Placed::Yes);
    assert_eq!(taken(&world).await["taken"], n(1));
}
