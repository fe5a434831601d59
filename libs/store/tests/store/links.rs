//! Edits that undo nobody's, sign-ins that take a session over, and links that are good once.

use domain::{
    ids::UserId,
    keyring::KeyRing,
    link::{LinkPurpose, LinkSecret},
    mail::{Mail, MailKey, MailPolicy},
    member::{Invitation, Member, Org, Role},
    pos::subscription::Subscription,
};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use store::{Link, Placed, StoreError, pos::contact::Contact};
use uuid::Uuid;

use crate::world::*;

const EVA: UserId = UserId(Uuid::from_u128(11));

fn eva() -> Member {
    Member::new(EVA, org(), "eva@example.com".into(), "Eva Holm".into(), Some(Role::Superadmin), now())
}

async fn world_with(member: &Member) -> World {
    let world = World::new().await;
    world.store.save_member(member).await.unwrap();
    world
}

impl World {
    async fn member(&self) -> Member {
        self.store.load_member(EVA).await.unwrap().unwrap()
    }
}

fn link(purpose: LinkPurpose, id: u128, at: Timestamp) -> Link {
    let keys = KeyRing::parse(&format!("k1:{}", "ab".repeat(16))).unwrap();
    let secret = LinkSecret::derive(&keys, "k1", purpose, Uuid::from_u128(id)).unwrap();
    Link::new(purpose, Uuid::from_u128(id), &secret, "k1", EVA, at)
}

fn mail_of(link: &Link) -> Mail {
    let key = match link.purpose {
        LinkPurpose::PasswordReset => MailKey::PasswordReset { user: EVA, id: link.id },
        LinkPurpose::Invitation => MailKey::Invitation { user: EVA, id: link.id },
    };
    Mail::new(key, org(), MailPolicy::Send, link.created_at).with_link(&link.key_id)
}

impl World {
    async fn reset_link(&self, id: u128, at: Timestamp) -> Link {
        let link = link(LinkPurpose::PasswordReset, id, at);
        self.store.create_reset(&link, &mail_of(&link)).await.unwrap();
        link
    }

    async fn is_open(&self, link: &Link, at: Timestamp) -> bool {
        self.store.load_reset(&link.hash, at).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn an_edit_writes_what_it_changed_and_undoes_nobodys() {
    let world = world_with(&eva()).await;
    let read = world.member().await;
    let raised = world.store.sign_in_member(EVA, true, later(1)).await.unwrap().unwrap();
    assert_eq!((raised.session_version, raised.last_login_at), (1, Some(later(1))));

    let mut renamed = read.clone();
    renamed.rename("Eva", "Berg");
    renamed.phone = Some("5551234567".into());
    world.store.edit_member(&read, &renamed).await.unwrap();
    let expected = Member { session_version: 1, last_login_at: Some(later(1)), ..renamed.clone() };
    assert_eq!(world.member().await, expected, "the version that rose meanwhile is still there");

    // Decided on what is no longer so: refused, whole.
    let mut stale = read.clone();
    stale.rename("Ada", "Holm");
    stale.onboarded = true;
    assert!(matches!(world.store.edit_member(&read, &stale).await, Err(StoreError::Stale)));
    assert_eq!(world.member().await, expected);
    let raise = Member { session_version: 1, ..read.clone() };
    assert!(matches!(world.store.edit_member(&read, &raise).await, Err(StoreError::Stale)));

    let cleared = Member { phone: None, ..expected.clone() };
    world.store.edit_member(&expected, &cleared).await.unwrap();
    assert_eq!(world.member().await, cleared);
    world.wire.take_calls();
    world.store.edit_member(&cleared, &cleared).await.unwrap();
    assert_eq!(world.wire.take_calls(), Vec::<String>::new(), "no difference, no write");
    let nobody = Member { user: UserId(Uuid::from_u128(12)), ..cleared.clone() };
    let edited = Member { onboarded: true, ..nobody.clone() };
    assert!(matches!(world.store.edit_member(&nobody, &edited).await, Err(StoreError::Stale)));
    assert_eq!(world.store.load_member(nobody.user).await.unwrap(), None, "an edit makes no member");
    let item = world.item(&format!("USER#{EVA}"), "MEMBER").await.unwrap();
    assert_eq!((text(&item, "gsi1sk"), text(&item, "entity")), ("eva@example.com", "member"));
}

#[tokio::test]
async fn a_member_of_before_the_counter_is_edited_like_any() {
    let world = world_with(&eva()).await;
    let mut item = world.item(&format!("USER#{EVA}"), "MEMBER").await.unwrap();
    for name in ["session_version", "preferences", "onboarded"] {
        assert!(item.remove(name).is_some(), "{name}");
    }
    world.put(item).await;
    let read = world.member().await;
    let mut after = Member { session_version: 1, onboarded: true, ..read.clone() };
    after.preferences.weekly_reports = false;
    world.store.edit_member(&read, &after).await.unwrap();
    assert_eq!(world.member().await, after);
    assert!(matches!(world.store.edit_member(&read, &after).await, Err(StoreError::Stale)));
}

#[tokio::test]
async fn of_sign_ins_at_the_same_moment_each_gets_a_version_of_its_own() {
    let world = world_with(&eva()).await;
    let sign_ins = join_all((0..10).map(|_| world.store.sign_in_member(EVA, true, now()))).await;
    let mut versions: Vec<u32> = sign_ins.into_iter().map(|member| member.unwrap().unwrap().session_version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=10).collect::<Vec<u32>>());
    let portal = world.store.sign_in_member(EVA, false, later(5)).await.unwrap().unwrap();
    assert_eq!((portal.session_version, portal.last_login_at), (10, Some(later(5))));

    world.store.save_member(&Member { is_active: false, ..eva() }).await.unwrap();
    for take_over in [true, false] {
        assert_eq!(world.store.sign_in_member(EVA, take_over, now()).await.unwrap(), None);
        let nobody = UserId(Uuid::from_u128(12));
        assert_eq!(world.store.sign_in_member(nobody, take_over, now()).await.unwrap(), None);
        assert_eq!(world.store.load_member(nobody).await.unwrap(), None, "a sign-in makes no member");
    }
    assert_eq!(world.member().await.session_version, 0);
}

#[tokio::test]
async fn an_organization_begins_whole_or_not_at_all() {
    let world = World::new().await;
    let found = async |org_id, words: bool| {
        let org = Org::new(org_id, "Beta".into(), now());
        let owner = Member { org: org_id, ..eva() };
        let subscription = Subscription::starter(Uuid::from_u128(5), org_id, EVA, now());
        let welcome = Mail::new(MailKey::Welcome { user: EVA }, org_id, MailPolicy::Send, now());
        let words = words.then(|| contact(1, Some(org_id)));
        world.store.found_org(&org, &owner, &subscription, &welcome, words.as_ref()).await.unwrap()
    };
    assert!(found(org(), true).await);
    for entity in ["org", "member", "subscription", "mail", "contact"] {
        assert_eq!(world.all(entity).await.len(), 1, "{entity}");
    }
    let (org_found, terms) = world.store.pos().load_org(org()).await.unwrap().unwrap();
    assert_eq!((org_found.name.as_str(), terms.subscription.unwrap().user, terms.account), ("Beta", EVA, None));
    assert!(world.store.pos().load_org(other_org()).await.unwrap().is_none());

    let before = world.everything().await.len();
    assert!(!found(other_org(), false).await, "a member of one organization founds no other");
    assert_eq!(world.everything().await.len(), before);
}

#[tokio::test]
async fn an_organization_is_edited_as_its_members_are() {
    let world = World::new().await;
    let read = Org::new(org(), "Beta".into(), now());
    world.store.save_org(&read).await.unwrap();
    let mut one = Org { updated_at: Some(later(1)), ..read.clone() };
    one.settings = json!({"theme": {"dark": true}, "": 1e300}).as_object().unwrap().clone();
    world.store.edit_org(&read, &one).await.unwrap();
    let devices = Org { tap_to_pay_devices: ["a".to_owned()].into(), ..read.clone() };
    world.store.edit_org(&read, &devices).await.unwrap();
    let mut both = Org { tap_to_pay_devices: devices.tap_to_pay_devices.clone(), ..one.clone() };
    assert_eq!(world.store.load_org(org()).await.unwrap(), Some(both.clone()));

    let lost = Org { settings: json!({"other": 1}).as_object().unwrap().clone(), ..read.clone() };
    assert!(matches!(world.store.edit_org(&read, &lost).await, Err(StoreError::Stale)));
    let lost = Org { tap_to_pay_devices: ["b".to_owned()].into(), ..read.clone() };
    assert!(matches!(world.store.edit_org(&read, &lost).await, Err(StoreError::Stale)));

    both.name = "Gamma".into();
    world.store.edit_org(&Org { name: "Beta".into(), ..both.clone() }, &both).await.unwrap();
    let item = world.item(&format!("ORG#{}", org()), "ORG").await.unwrap();
    assert_eq!(text(&item, "gsi1sk"), format!("Gamma#{}", org()));
    assert_eq!(world.store.load_org(org()).await.unwrap(), Some(both));
    assert!(matches!(
        world
            .store
            .edit_org(&Org::new(other_org(), "X".into(), now()), &Org::new(other_org(), "Y".into(), now()))
            .await,
        Err(StoreError::Stale)
    ));
}

#[tokio::test]
async fn a_reset_is_good_once_and_ends_the_others() {
    let world = world_with(&eva()).await;
    let (first, second) = (world.reset_link(1, now()).await, world.reset_link(2, later(60)).await);
    let pk = format!("LINK#{}", first.hash);
    let item = world.item(&pk, "LINK").await.unwrap();
    assert_keys(&item, &[("pk", pk), ("sk", "LINK".into()), ("entity", "link".into())]);
    assert_eq!(item["ttl"], n(later(600 + 24 * 3600).as_second()));
    let mail = world.item(&format!("USER#{EVA}"), &format!("MAIL#password_reset#{}", first.id)).await.unwrap();
    assert_eq!((text(&mail, "status"), text(&mail, "link_key")), ("pending", "k1"));
    assert_eq!(world.store.load_reset(&first.hash, later(60)).await.unwrap(), Some((first.clone(), eva())));
    assert!(!world.is_open(&Link { hash: "0".repeat(64), ..first.clone() }, later(60)).await);

    assert!(world.store.use_reset(&first, later(61)).await.unwrap());
    assert_eq!(world.member().await.session_version, 1, "whoever was signed in on a phone is kicked");
    for link in [&first, &second] {
        assert!(!world.is_open(link, later(62)).await);
        assert!(!world.store.use_reset(link, later(62)).await.unwrap());
    }
    assert_eq!(world.member().await.session_version, 1, "what is refused changes nothing");
    let pk = format!("USER#{EVA}");
    let item = world.item(&pk, "RESETS").await.unwrap();
    assert_keys(&item, &[("pk", pk), ("sk", "RESETS".into()), ("entity", "resets".into())]);

    // A link that was used is used, whatever else is known of its user.
    let delete = world.store.client().delete_item().table_name(world.store.table());
    delete.key("pk", s(format!("USER#{EVA}"))).key("sk", s("RESETS")).send().await.unwrap();
    assert!(!world.is_open(&first, later(62)).await && !world.store.use_reset(&first, later(62)).await.unwrap());
    assert!(world.store.use_reset(&second, later(62)).await.unwrap(), "this one was dead by the other's use alone");

    let third = world.reset_link(3, later(63)).await;
    assert!(world.is_open(&third, later(64)).await);
    world.store.void_resets(EVA, later(64)).await.unwrap();
    assert!(!world.is_open(&third, later(65)).await);
    assert!(!world.store.use_reset(&third, later(65)).await.unwrap());
}

#[tokio::test]
async fn of_resets_at_the_same_moment_one_succeeds() {
    let world = world_with(&eva()).await;
    let (one, other) = (world.reset_link(1, now()).await, world.reset_link(2, now()).await);
    let used = join_all((0..8).map(|i| world.store.use_reset(if i % 2 == 0 { &one } else { &other }, later(1)))).await;
    assert_eq!(used.into_iter().filter(|used| *used.as_ref().unwrap()).count(), 1);
    assert_eq!(world.member().await.session_version, 1);
}

#[tokio::test]
async fn a_reset_dies_by_its_time_and_with_its_member() {
    let world = world_with(&eva()).await;
    let link = world.reset_link(1, now()).await;
    assert!(world.is_open(&link, later(599)).await && !world.is_open(&link, later(600)).await);
    assert!(!world.store.use_reset(&link, later(600)).await.unwrap());
    world.store.save_member(&Member { is_active: false, ..eva() }).await.unwrap();
    assert!(!world.is_open(&link, later(1)).await);
    assert!(!world.store.use_reset(&link, later(1)).await.unwrap());
    world.store.save_member(&eva()).await.unwrap();
    assert!(world.store.use_reset(&link, later(1)).await.unwrap());
}

#[tokio::test]
async fn a_reset_whose_answer_got_lost_is_used_once() {
    let world = world_with(&eva()).await;
    let link = world.reset_link(1, now()).await;
    world.wire.lose("TransactWriteItems", 1, "InternalServerError");
    assert!(world.store.use_reset(&link, later(1)).await.unwrap());
    assert_eq!(world.member().await.session_version, 1);
}

fn invited(link: &Link) -> Member {
    let by = UserId(Uuid::from_u128(1));
    let invitation = Invitation { by, at: link.created_at, link_hash: Some(link.hash.clone()), accepted_at: None };
    Member { role: Some(Role::Staff), invitation: Some(invitation), ..eva() }
}

fn accepted(member: &Member, at: Timestamp) -> Member {
    let invitation = member.invitation.clone().unwrap();
    let invitation = Invitation { link_hash: None, accepted_at: Some(at), ..invitation };
    Member { invitation: Some(invitation), ..member.clone() }
}

#[tokio::test]
async fn an_invitation_is_accepted_once() {
    let world = World::new().await;
    let link = link(LinkPurpose::Invitation, 1, now());
    let member = invited(&link);
    assert_eq!(world.store.invite_member(&member, &link, &mail_of(&link), None).await.unwrap(), Placed::Yes);
    let again = self::link(LinkPurpose::Invitation, 2, now());
    let twice = world.store.invite_member(&invited(&again), &again, &mail_of(&again), None).await.unwrap();
    assert_eq!(twice, Placed::No);
    assert_eq!(world.all("link").await.len(), 1, "who is a member already is not invited, and gets no link");
    assert_eq!(world.store.load_reset(&link.hash, later(1)).await.unwrap(), None, "it is no reset");
    assert!(
        !world.store.use_reset(&Link { purpose: LinkPurpose::PasswordReset, ..link.clone() }, later(1)).await.unwrap()
    );

    let week = 7 * 24 * 3600;
    assert_eq!(world.store.load_invitation(&link.hash, later(week)).await.unwrap(), None);
    assert!(
        !world.store.accept_invitation(&link, &member, &accepted(&member, later(week)), later(week)).await.unwrap()
    );
    let found = world.store.load_invitation(&link.hash, later(week - 1)).await.unwrap().unwrap();
    assert_eq!(found, (link.clone(), member.clone()));
    let after = accepted(&member, later(9));
    let used = join_all((0..4).map(|_| world.store.accept_invitation(&link, &member, &after, later(9)))).await;
    assert_eq!(used.into_iter().filter(|used| *used.as_ref().unwrap()).count(), 1);
    assert_eq!(world.member().await, after);
    assert_eq!(world.store.load_invitation(&link.hash, later(10)).await.unwrap(), None);
}

#[tokio::test]
async fn a_renewed_or_withdrawn_invitation_is_dead() {
    let world = World::new().await;
    let first = link(LinkPurpose::Invitation, 1, now());
    let member = invited(&first);
    assert_eq!(world.store.invite_member(&member, &first, &mail_of(&first), None).await.unwrap(), Placed::Yes);
    let second = link(LinkPurpose::Invitation, 2, later(60));
    let renewed = invited(&second);
    world.store.renew_invitation(&member, &renewed, &second, &mail_of(&second)).await.unwrap();
    let third = link(LinkPurpose::Invitation, 3, later(61));
    let stale = world.store.renew_invitation(&member, &invited(&third), &third, &mail_of(&third)).await;
    assert!(matches!(stale, Err(StoreError::Stale)));
    assert_eq!(world.all("link").await.len(), 2);

    assert_eq!(world.store.load_invitation(&first.hash, later(62)).await.unwrap(), None);
    let late = accepted(&member, later(62));
    assert!(
        !world.store.accept_invitation(&first, &member, &late, later(62)).await.unwrap(),
        "decided before it was renewed"
    );
    assert_eq!(world.member().await, renewed);

    let out = Member { is_active: false, ..renewed.clone() };
    world.store.edit_member(&renewed, &out).await.unwrap();
    assert_eq!(world.store.load_invitation(&second.hash, later(62)).await.unwrap(), None);
    world.store.edit_member(&out, &renewed).await.unwrap();
    assert!(world.store.load_invitation(&second.hash, later(62)).await.unwrap().is_some());
}

fn contact(id: u128, org: Option<domain::ids::OrgId>) -> Contact {
    Contact {
        id: Uuid::from_u128(id),
        email: "ana@example.com".into(),
        name: Some("Ana".into()),
        company: None,
        subject: Some("Prices".into()),
        message: "What does it cost?".into(),
        org,
        created_at: later(id as i64),
    }
}

#[tokio::test]
async fn what_people_write_to_us() {
    let world = World::new().await;
    let (older, newer) = (contact(1, None), contact(2, Some(org())));
    for contact in [&newer, &older] {
        world.store.pos().create_contact(contact).await.unwrap();
    }
    assert_eq!(world.store.pos().list_contacts(9).await.unwrap(), [newer.clone(), older.clone()]);
    assert_eq!(world.store.pos().list_contacts(1).await.unwrap(), [newer]);
    let pk = format!("CONTACT#{}", older.id);
    let item = world.item(&pk, "CONTACT").await.unwrap();
    let at = format!("{}#{}", later(1).as_millisecond(), older.id);
    let entity = ("entity", "contact".into());
    assert_keys(&item, &[("pk", pk), ("sk", "CONTACT".into()), ("gsi2pk", "CONTACTS".into()), ("gsi2sk", at), entity]);
    assert_eq!(item["ttl"], n(later(1 + 2 * 365 * 24 * 3600).as_second()));
    assert!(matches!(world.store.pos().create_contact(&older).await, Err(StoreError::Stale)));

    world.store.pos().subscribe_news("ana@example.com", "footer", now()).await.unwrap();
    world.store.pos().subscribe_news("ana@example.com", "pricing", later(5)).await.unwrap();
    let item = world.item("NEWS#ana@example.com", "SUBSCRIBER").await.unwrap();
    assert_keys(
        &item,
        &[("pk", "NEWS#ana@example.com".into()), ("sk", "SUBSCRIBER".into()), ("entity", "news_subscriber".into())],
    );
    assert_eq!((text(&item, "source"), &item["created_at"]), ("footer", &n(now().as_millisecond())));
    assert_eq!(item["changed_at"], n(later(5).as_millisecond()));
}
