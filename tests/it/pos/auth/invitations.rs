//! Joining an organization by invitation.

use domain::{
    ids::OrgId,
    link::LinkPurpose,
    member::{Member, Role},
    pos::{
        subscription::{Subscription, SubscriptionStatus},
        tier::Tier,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{faults::Faults, *};
use crate::app::assert_exact_members;

pub(super) const EMAIL: &str = "ivy@home.example";
const PASSWORD: &str = "Lantern-ivy-1!";

/// Invites somebody, as the counter's staff route does, into an organization that may have staff.
pub(super) async fn invite(app: &App) -> Member {
    let owner = subscribed(app, "superadmin").await;
    let ctx = app.cloud.ctx("pos-auth");
    let user = ctx.new_person(EMAIL).await.unwrap();
    let name = "Ivy Marsh".to_owned();
    let ivy = Member::new(user, owner.org, EMAIL.into(), name, Some(Role::Staff), app.cloud.now());
    ctx.invite_member(ivy, owner.user, None).await.unwrap()
}

/// A demo user, and their organization one that may have staff.
async fn subscribed(app: &App, role: &str) -> Member {
    let ctx = app.cloud.ctx("pos-auth");
    let owner = member(app, role).await;
    let before = ctx.store().pos().load_terms(owner.org).await.unwrap().subscription;
    let subscription = Subscription {
        tier: Tier::Pro,
        status: SubscriptionStatus::Active,
        version: before.as_ref().map_or(0, |before| before.version + 1),
        ..Subscription::starter(Uuid::new_v4(), owner.org, owner.user, app.cloud.now())
    };
    ctx.store().pos().save_subscription(before.as_ref(), &subscription).await.unwrap();
    owner
}

/// The secrets of the invitations that were sent, oldest first.
async fn tokens(app: &App) -> Vec<String> {
    let ctx = app.cloud.ctx("pos-auth");
    let mut links = items(app, "link").await;
    links.sort_by_key(|link| link["created_at"].as_n().unwrap().parse::<i64>().unwrap());
    let secret = |link: &Item| {
        let id = text(link, "id").parse().unwrap();
        ctx.link_secret(text(link, "key_id"), LinkPurpose::Invitation, id).unwrap().reveal().to_owned()
    };
    links.iter().map(secret).collect()
}

async fn validate(app: &App, token: &str) -> Value {
    app.get(&format!("/pos/auth/validate-invite?token={token}")).send().await.expect(200)
}

async fn accept(app: &App, token: &str) -> Answer {
    post(app, "/auth/accept-invite", json!({"token": token, "password": PASSWORD})).await
}

#[tokio::test]
async fn an_invitation_is_shown_accepted_and_used_up() {
    let app = App::start().await;
    let ivy = invite(&app).await;
    let token = tokens(&app).await.pop().unwrap();
    let shown = validate(&app, &token).await;
    assert_exact_members(&shown, "valid email firstName lastName organizationName inviterName");
    let expected = json!({"valid": true, "email": EMAIL, "firstName": "Ivy", "lastName": "Marsh",
        "organizationName": "Home Productions", "inviterName": "Sofia Reyes"});
    assert_eq!(shown, expected);

    // Pending: nobody signs in as her, and she is sent no link to reset what she does not have.
    refused(log_in(&app, EMAIL, PASSWORD).await, 401, "INVALID_CREDENTIALS");
    post(&app, "/auth/forgot-password", json!({"email": EMAIL})).await.expect(200);
    assert_eq!(items(&app, "link").await.len(), 1);
    assert_eq!(post(&app, "/auth/check-email", json!({"email": EMAIL})).await.expect(200), json!({"inUse": true}));

    invalid(post(&app, "/auth/accept-invite", json!({"token": token, "password": "ivy"})).await, "password");
    let done = accept(&app, &token).await.expect(200);
    assert_exact_members(&done, "message email");
    assert_eq!(done["email"], EMAIL);
    let session = log_in(&app, EMAIL, PASSWORD).await.expect(200);
    assert_eq!((&session["user"]["role"], &session["user"]["id"]), (&json!("user"), &json!(ivy.user.to_string())));
    let accepted = load(&app, &ivy.user.to_string()).await.invitation.unwrap();
    assert!(accepted.accepted_at.is_some() && accepted.link_hash.is_none());

    assert_eq!(validate(&app, &token).await, json!({"valid": false}));
    let again = post(&app, "/auth/accept-invite", json!({"token": token, "password": "Lantern-other-1!"})).await;
    refused(again, 400, "INVALID_INVITATION");
    log_in(&app, EMAIL, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_invitation_dies_by_its_time_or_when_it_is_sent_anew() {
    let app = App::start().await;
    let ctx = app.cloud.ctx("pos-auth");
    let ivy = invite(&app).await;
    app.advance(6 * 24 * 3600).await;
    let first = tokens(&app).await.pop().unwrap();
    assert_eq!(validate(&app, &first).await["valid"], true);
    let renewed = ctx.renew_invitation(&ivy).await.unwrap();
    let second = tokens(&app).await.pop().unwrap();
    assert_ne!(first, second);
    assert_eq!(validate(&app, &first).await, json!({"valid": false}));
    refused(accept(&app, &first).await, 400, "INVALID_INVITATION");
    app.advance(2 * 24 * 3600).await;
    assert_eq!(validate(&app, &second).await["valid"], true, "its week began anew");
    app.advance(5 * 24 * 3600).await;
    assert_eq!(validate(&app, &second).await, json!({"valid": false}));
    refused(accept(&app, &second).await, 400, "INVALID_INVITATION");

    ctx.renew_invitation(&renewed).await.unwrap();
    let third = tokens(&app).await.pop().unwrap();
    accept(&app, &third).await.expect(200);
    let late = ctx.renew_invitation(&load(&app, &ivy.user.to_string()).await).await.unwrap_err();
    assert_eq!((late.status.as_u16(), &*late.code), (400, "ALREADY_ACCEPTED"));
}

#[tokio::test]
async fn of_acceptances_at_once_one_counts() {
    let app = App::start().await;
    invite(&app).await;
    let token = tokens(&app).await.pop().unwrap();
    let passwords: Vec<String> = (0..5).map(|i| format!("Lantern-{i}-ivy!")).collect();
    let accept = |password| post(&app, "/auth/accept-invite", json!({"token": token, "password": password}));
    let answers = futures_util::future::join_all(passwords.iter().map(accept)).await;
    let done: Vec<usize> = (0..5).filter(|i| answers[*i].status == 200).collect();
    assert_eq!(done.len(), 1);
    log_in(&app, EMAIL, &passwords[done[0]]).await.expect(200);
}

#[tokio::test]
async fn who_is_withdrawn_accepts_nothing_and_a_members_address_is_not_invited() {
    let app = App::start().await;
    let ivy = invite(&app).await;
    let ctx = app.cloud.ctx("pos-auth");
    let taken = ctx.new_person(&app.user("staff").0).await.unwrap_err();
    assert_eq!((taken.status.as_u16(), &*taken.code), (409, "EMAIL_EXISTS"));
    assert_eq!(&*ctx.new_person(EMAIL).await.unwrap_err().code, "EMAIL_EXISTS");
    let elsewhere = Member { org: OrgId(Uuid::new_v4()), ..ivy.clone() };
    assert_eq!(&*ctx.invite_member(elsewhere, ivy.user, None).await.unwrap_err().code, "EMAIL_EXISTS");
    // An invitation that died between the user pool and the table is taken up by the next.
    let orphan = ctx.identity().create_user("orphan@home.example", None, &[]).await.unwrap();
    assert_eq!(ctx.new_person("orphan@home.example").await.unwrap(), orphan);

    let token = tokens(&app).await.pop().unwrap();
    let out = Member { is_active: false, ..ivy.clone() };
    ctx.store().edit_member(&ivy, &out).await.unwrap();
    assert_eq!(validate(&app, &token).await, json!({"valid": false}));
    refused(accept(&app, &token).await, 400, "INVALID_INVITATION");
    assert!(app.get("/pos/auth/validate-invite").send().await.status == 400);
}

async fn invite_as(app: &App, session: &Value, email: &str) -> Answer {
    let body = json!({"email": email, "firstName": "Kim", "lastName": "Lee", "role": "admin"});
    post_as(app, session, "/staff", body).await
}

/// Whoever is told that somebody is invited has invited them, whatever became of the others' attempts.
#[tokio::test]
async fn of_two_organizations_that_invite_the_same_address_one_does() {
    let app = App::start().await;
    let mut sessions = Vec::new();
    for role in ["superadmin", "other"] {
        subscribed(&app, role).await;
        sessions.push(session(&app, role).await);
    }
    for round in 0..6 {
        let email = format!("kim{round}@new.example");
        let invite = |session| invite_as(&app, session, &email);
        let answers = futures_util::future::join_all(sessions.iter().chain(&sessions).map(invite)).await;
        let (done, taken): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(done.len(), 1);
        taken.into_iter().for_each(|answer| drop(refused(answer, 409, "EMAIL_EXISTS")));
        app.advance(1).await;
        let token = tokens(&app).await.pop().unwrap();
        accept(&app, &token).await.expect(200);
        let kim = log_in(&app, &email, PASSWORD).await.expect(200);
        assert_eq!(kim["user"]["id"], done[0].body["id"]);
    }
}

/// Between the user pool and the table somebody is nobody's member: theirs who writes the member. Until an invitation is
/// accepted, a sign-up that is on its way still knows its own password, and nobody is taken out of the pool.
#[tokio::test]
async fn who_is_on_their_way_is_left_as_they_are() {
    let (app, faults) = Faults::start().await;
    let (owner, identity) = (subscribed(&app, "superadmin").await, app.cloud.ctx("pos-auth").identity().clone());
    let home = session(&app, "superadmin").await;
    let kim = identity.create_user("kim@new.example", Some("Kims-own-1"), &[]).await.unwrap();
    faults.refuse("TransactWriteItems");
    for email in ["kim@new.example", "lee@new.example"] {
        assert!(invite_as(&app, &home, email).await.status.is_server_error());
        assert!(identity.find_user(email).await.unwrap().is_some());
    }
    faults.heal();
    let session = identity.sign_in("kim@new.example", "Kims-own-1").await.unwrap();
    let made = invite_as(&app, &home, "kim@new.example").await.expect(201);
    assert_eq!(made["id"], kim.to_string());
    invite_as(&app, &home, "lee@new.example").await.expect(201);
    // Who was signing up is told that the address is taken; accepting ends what they had begun.
    let late = json!({"password": "Kims-own-1", "organizationName": "Kim's"});
    let mut body = super::signup::body("kim@new.example");
    body.as_object_mut().unwrap().extend(late.as_object().unwrap().clone());
    refused(post(&app, "/auth/signup", body).await, 409, "EMAIL_EXISTS");
    assert_eq!(load(&app, made["id"].as_str().unwrap()).await.org, owner.org);
    for token in tokens(&app).await {
        accept(&app, &token).await.expect(200);
    }
    refused(log_in(&app, "kim@new.example", "Kims-own-1").await, 401, "INVALID_CREDENTIALS");
    log_in(&app, "kim@new.example", PASSWORD).await.expect(200);
    log_in(&app, "lee@new.example", PASSWORD).await.expect(200);
    let refresh = json!({"refreshToken": session.refresh});
    refused(post(&app, "/auth/refresh", refresh).await, 401, "INVALID_REFRESH_TOKEN");
}
