//! Signing in and out, and the one session of the app.

use domain::{
    member::Invitation,
    pos::{
        subscription::{Subscription, SubscriptionStatus},
        tier::Tier,
    },
};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{faults::Faults, *};
use crate::app::assert_exact_members;

async fn refresh(app: &App, token: &str) -> Answer {
    post(app, "/auth/refresh", json!({"refreshToken": token, "username": "whoever"})).await
}

/// `me` as the app asks, under its session's version.
async fn me_under(app: &App, session: &Value, version: &str) -> Answer {
    get_as(app, session, "/auth/me").header("x-session-version", version).send().await
}

#[tokio::test]
async fn a_session_has_what_the_clients_read() {
    let app = App::start().await;
    let (email, password) = app.user("superadmin");
    let answer = log_in(&app, &format!("  {} ", email.to_uppercase()), &password).await.expect(200);
    assert_exact_members(&answer, "user organization tokens sessionVersion subscription");
    assert_exact_members(
        &answer["user"],
        "id email firstName lastName organizationId role emailAlerts marketingEmails weeklyReports avatarUrl \
         onboardingCompleted",
    );
    let user = &answer["user"];
    assert_eq!((&user["email"], &user["role"]), (&json!(email), &json!("owner")));
    assert_eq!((&user["firstName"], &user["lastName"]), (&json!("Sofia"), &json!("Reyes")));
    assert_eq!((&user["avatarUrl"], &user["emailAlerts"]), (&Value::Null, &json!(true)));
    assert_eq!(answer["organization"], json!({"id": app.demo["org_id"], "name": "Home Productions"}));
    assert_exact_members(&answer["tokens"], "accessToken refreshToken expiresIn");
    assert_eq!(answer["tokens"]["expiresIn"], 900);
    assert_eq!(bearer(&answer).split('.').count(), 3, "a JWT of three parts");
    assert!(answer["sessionVersion"].is_u64());
    assert_exact_members(&answer["subscription"], "tier status");
    assert!(member(&app, "superadmin").await.last_login_at.is_some());
    for (role, name) in [("admin", "admin"), ("staff", "user")] {
        assert_eq!(session(&app, role).await["user"]["role"], name);
    }
}

#[tokio::test]
async fn unknown_wrong_and_inactive_are_one_answer() {
    let app = App::start().await;
    let (email, password) = app.user("admin");
    let wrong = refused(log_in(&app, &email, "Not-the-password-1").await, 401, "INVALID_CREDENTIALS");
    assert_eq!(wrong["error"], "Invalid credentials");
    let long = "x".repeat(300);
    for (email, password) in
        [("nobody@home.example", &password), ("nobody", &password), ("", &password), (&email, &long)]
    {
        assert_eq!(log_in(&app, email, password).await.expect(401), wrong, "{email}");
    }
    app.change_member("admin", |member| member.is_active = false).await;
    assert_eq!(log_in(&app, &email, &password).await.expect(401), wrong);
    app.change_member("admin", |member| (member.is_active, member.role) = (true, None)).await;
    assert_eq!(log_in(&app, &email, &password).await.expect(401), wrong, "no place at the counter");
    for body in [json!({}), json!({"email": email}), json!({"email": 1, "password": "x"}), json!([])] {
        refused(post(&app, "/auth/login", body).await, 400, "VALIDATION_ERROR");
    }
    let body = json!({"email": email, "password": password, "source": "fax"});
    refused(post(&app, "/auth/login", body).await, 400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_phone_takes_the_session_over_and_the_portal_does_not() {
    let app = App::start().await;
    let before = session(&app, "admin").await["sessionVersion"].as_u64().unwrap();
    let old = phone(&app, "admin").await;
    assert_eq!(old["sessionVersion"], before + 1);
    let version = old["sessionVersion"].to_string();
    me_under(&app, &old, &version).await.expect(200);

    let portal = session(&app, "admin").await;
    assert_eq!(portal["sessionVersion"], before + 1, "the current one");
    me_under(&app, &old, &version).await.expect(200);

    let new = phone(&app, "admin").await;
    assert_eq!(new["sessionVersion"], before + 2);
    me_under(&app, &new, &new["sessionVersion"].to_string()).await.expect(200);
    let kicked = refused(me_under(&app, &old, &version).await, 401, "SESSION_KICKED");
    assert_exact_members(&kicked, "error message code");
    // Whatever is not the current version is not, a higher one and none at all too.
    for other in [(before + 3).to_string(), "0".into(), "-1".into(), "two".into(), String::new()] {
        refused(me_under(&app, &new, &other).await, 401, "SESSION_KICKED");
    }
    // The portal, opened from the app with its tokens, names no version.
    for session in [&old, &portal, &new] {
        get_as(&app, session, "/auth/me").send().await.expect(200);
    }
    let patched = app.call(Method::PATCH, "/pos/auth/profile").token(bearer(&old));
    let patched = patched.header("x-session-version", &version).json(&json!({"firstName": "X"})).send().await;
    refused(patched, 401, "SESSION_KICKED");
    assert_eq!(member(&app, "admin").await.name, "Adam Okafor");
}

#[tokio::test]
async fn phones_that_sign_in_at_once_each_get_a_version_of_their_own() {
    let app = App::start().await;
    let before = session(&app, "admin").await["sessionVersion"].as_u64().unwrap();
    let sessions = join_all((0..6).map(|_| phone(&app, "admin"))).await;
    let mut versions: Vec<u64> = sessions.iter().map(|session| session["sessionVersion"].as_u64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (before + 1..=before + 6).collect::<Vec<u64>>());
    let holding = join_all(sessions.iter().map(async |session| {
        me_under(&app, session, &session["sessionVersion"].to_string()).await.status == StatusCode::OK
    }));
    assert_eq!(holding.await.into_iter().filter(|holds| *holds).count(), 1);
}

#[tokio::test]
async fn open_routes_ignore_a_stale_bearer_and_a_stale_version() {
    let app = App::start().await;
    let (email, password) = app.user("admin");
    let session = phone(&app, "admin").await;
    phone(&app, "admin").await;
    let routes = [
        ("/auth/login", json!({"email": email, "password": password, "source": "app"})),
        ("/auth/refresh", json!({"refreshToken": refresh_token(&session)})),
        ("/auth/logout", json!({"refreshToken": "gone"})),
        ("/auth/forgot-password", json!({"email": email})),
        ("/auth/validate-reset-token", json!({"token": "0".repeat(64)})),
        ("/auth/check-email", json!({"email": email})),
        ("/auth/check-password", json!({"password": "x"})),
        ("/auth/signup", super::signup::body("new@stale.example")),
    ];
    for token in [STALE_TOKEN, bearer(&session)] {
        for (path, body) in &routes {
            let call = app.post(&format!("/pos{path}")).token(token).header("x-session-version", "0");
            let answer = call.json(body).send().await;
            let expected = match *path {
                "/auth/signup" => {
                    if token == STALE_TOKEN {
                        201
                    } else {
                        409
                    }
                }
                "/auth/refresh" => {
                    if token == STALE_TOKEN {
                        200
                    } else {
                        401
                    }
                }
                _ => 200,
            };
            assert_eq!(answer.status.as_u16(), expected, "{path}: {}", answer.body);
        }
        let call = app.get("/pos/auth/validate-invite?token=x").token(token).header("x-session-version", "0");
        assert_eq!(call.send().await.expect(200), json!({"valid": false}));
        let bad = json!({"token": "0".repeat(64), "password": "Lantern-new-1"});
        for (path, code) in [("/auth/reset-password", "INVALID_TOKEN"), ("/auth/accept-invite", "INVALID_INVITATION")] {
            let call = app.post(&format!("/pos{path}")).token(token).header("x-session-version", "0");
            refused(call.json(&bad).send().await, 400, code);
        }
    }
}

#[tokio::test]
async fn refreshing_is_flat_and_uses_the_token_up() {
    let app = App::start().await;
    let first = session(&app, "admin").await;
    let second = refresh(&app, refresh_token(&first)).await.expect(200);
    assert_exact_members(&second, "accessToken refreshToken expiresIn");
    assert_ne!(second["refreshToken"], first["tokens"]["refreshToken"]);
    get_as(&app, &json!({"tokens": second}), "/auth/me").send().await.expect(200);
    let again = refused(refresh(&app, refresh_token(&first)).await, 401, "INVALID_REFRESH_TOKEN");
    assert_eq!(again["error"], "Invalid or expired refresh token");
    let bare = json!({"refreshToken": second["refreshToken"]});
    post(&app, "/auth/refresh", bare).await.expect(200);
    for junk in ["junk", " ", "a b", bearer(&first)] {
        refused(refresh(&app, junk).await, 401, "INVALID_REFRESH_TOKEN");
    }
    for body in [json!({}), json!({"refreshToken": null}), json!({"refreshToken": ""})] {
        refused(post(&app, "/auth/refresh", body).await, 400, "VALIDATION_ERROR");
    }
    let out = session(&app, "staff").await;
    app.change_member("staff", |member| member.is_active = false).await;
    refused(refresh(&app, refresh_token(&out)).await, 401, "INVALID_REFRESH_TOKEN");
    app.change_member("staff", |member| member.is_active = true).await;
    refused(refresh(&app, refresh_token(&out)).await, 401, "INVALID_REFRESH_TOKEN");
}

/// The token is used up by then: to answer that it cannot be told would sign the till out.
#[tokio::test]
async fn a_refresh_that_nobody_can_judge_goes_on() {
    let (app, faults) = Faults::start().await;
    let session = session(&app, "admin").await;
    faults.refuse("GetItem");
    let tokens = refresh(&app, refresh_token(&session)).await.expect(200);
    assert!(get_as(&app, &session, "/auth/me").send().await.status.is_server_error());
    faults.heal();
    get_as(&app, &json!({"tokens": tokens}), "/auth/me").send().await.expect(200);
    refresh(&app, tokens["refreshToken"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn sessions_end_by_their_times() {
    let app = App::start().await;
    let session = session(&app, "admin").await;
    app.advance(16 * 60).await;
    refused(get_as(&app, &session, "/auth/me").send().await, 401, "INVALID_TOKEN");
    let tokens = refresh(&app, refresh_token(&session)).await.expect(200);
    app.advance(8 * 24 * 3600).await;
    refused(refresh(&app, tokens["refreshToken"].as_str().unwrap()).await, 401, "INVALID_REFRESH_TOKEN");
}

#[tokio::test]
async fn signing_out_is_always_done() {
    let app = App::start().await;
    let (old, other) = (phone(&app, "admin").await, session(&app, "admin").await);
    phone(&app, "admin").await;
    // Kicked, the app forgets everything first, and then signs out with its refresh token alone.
    let done = post(&app, "/auth/logout", json!({"refreshToken": refresh_token(&old)})).await.expect(200);
    assert_exact_members(&done, "message");
    refused(refresh(&app, refresh_token(&old)).await, 401, "INVALID_REFRESH_TOKEN");
    refresh(&app, refresh_token(&other)).await.expect(200);
    for body in [json!({"refreshToken": refresh_token(&old)}), json!({}), json!({"refreshToken": null}), json!([1])] {
        post(&app, "/auth/logout", body).await.expect(200);
    }
    for junk in ["unknown", " ", "a b", &"x".repeat(20_000)] {
        post(&app, "/auth/logout", json!({"refreshToken": junk})).await.expect(200);
    }
    app.post("/pos/auth/logout").send().await.expect(200);
    app.post("/pos/auth/logout").body("{").send().await.expect(200);
}

#[tokio::test]
async fn invited_staff_work_on_the_subscription() {
    let app = App::start().await;
    let (email, password) = app.user("staff");
    let ctx = app.cloud.ctx("pos-auth");
    let now = app.cloud.now();
    let owner = member(&app, "superadmin").await;
    let invitation = |accepted_at| Some(Invitation { by: owner.user, at: now, link_hash: None, accepted_at });
    let subscribed = async |tier, status, period_end| {
        let before = ctx.store().pos().load_terms(owner.org).await.unwrap().subscription;
        let version = before.as_ref().map_or(0, |before| before.version + 1);
        let starter = Subscription::starter(Uuid::new_v4(), owner.org, owner.user, now);
        let after = Subscription { tier, status, period_end, version, ..starter };
        ctx.store().pos().save_subscription(before.as_ref(), &after).await.unwrap();
    };
    app.change_member("staff", |member| member.invitation = invitation(Some(now))).await;
    let tomorrow = now + jiff::SignedDuration::from_hours(24);
    for (tier, status, period_end, code) in [
        (Tier::Starter, SubscriptionStatus::Active, None, "TIER_STAFF_NOT_ALLOWED"),
        (Tier::Pro, SubscriptionStatus::PastDue, None, "SUBSCRIPTION_INACTIVE"),
        (Tier::Enterprise, SubscriptionStatus::PendingApproval, None, "SUBSCRIPTION_INACTIVE"),
        (Tier::Pro, SubscriptionStatus::Canceled, Some(now), "SUBSCRIPTION_INACTIVE"),
    ] {
        subscribed(tier, status, period_end).await;
        let version = member(&app, "staff").await.session_version;
        let body = json!({"email": email, "password": password, "source": "app"});
        let answer = refused(post(&app, "/auth/login", body).await, 403, code);
        assert!(answer.get("tokens").is_none());
        assert_eq!(member(&app, "staff").await.session_version, version, "who may not come in kicks nobody");
        // Who owns the place comes in, and may pay.
        session(&app, "superadmin").await;
        refused(log_in(&app, &email, "Not-the-password-1").await, 401, "INVALID_CREDENTIALS");
    }
    for (status, period_end) in [
        (SubscriptionStatus::Active, None),
        (SubscriptionStatus::Trialing, None),
        (SubscriptionStatus::Canceled, Some(tomorrow)),
    ] {
        subscribed(Tier::Pro, status, period_end).await;
        session(&app, "staff").await;
    }
    app.change_member("staff", |member| member.invitation = invitation(None)).await;
    refused(log_in(&app, &email, &password).await, 401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn the_counter_and_the_back_office_are_one_sign_in() {
    let app = App::start().await;
    let (email, password) = app.user("admin");
    let phone = phone(&app, "admin").await;
    app.get("/tickets/api/admin/events").token(bearer(&phone)).send().await.expect(200);
    let office = app.sign_in("admin").await;
    let answer = app.get("/pos/auth/me").token(&office).send().await.expect(200);
    assert_eq!(answer["id"], phone["user"]["id"]);
    // Signing in there takes nothing over here.
    me_under(&app, &phone, &phone["sessionVersion"].to_string()).await.expect(200);
    let body = json!({"email": email, "password": password});
    app.post("/tickets/api/auth/login").json(&body).send().await.expect(200);
}
