//! Checking, changing and replacing passwords.

use domain::link::LinkPurpose;
use serde_json::{Value, json};

use super::{faults::Faults, *};
use crate::app::assert_exact_members;

const NEW: &str = "Lantern-changed-1!";

/// The secrets of the links that somebody was sent to reset their password, oldest first: derived as the e-mail's worker
/// derives them, since the table has none of them.
pub(super) async fn reset_tokens(app: &App, role: &str) -> Vec<String> {
    let ctx = app.cloud.ctx("pos-auth");
    let user = member(app, role).await.user.to_string();
    let mut links: Vec<Item> = items(app, "link").await;
    links.retain(|link| text(link, "user") == user && text(link, "purpose") == "password_reset");
    links.sort_by_key(|link| link["created_at"].as_n().unwrap().parse::<i64>().unwrap());
    let secret = |link: &Item| {
        let id = text(link, "id").parse().unwrap();
        let secret = ctx.link_secret(text(link, "key_id"), LinkPurpose::PasswordReset, id).unwrap();
        assert_eq!(text(link, "pk"), format!("LINK#{}", secret.hash()));
        assert!(!format!("{link:?}").contains(secret.reveal()), "only the hash is stored");
        secret.reveal().to_owned()
    };
    links.iter().map(secret).collect()
}

pub(super) async fn forget(app: &App, email: &str) -> Value {
    post(app, "/auth/forgot-password", json!({"email": email})).await.expect(200)
}

async fn validate(app: &App, token: &str) -> Value {
    post(app, "/auth/validate-reset-token", json!({"token": token})).await.expect(200)
}

async fn reset(app: &App, token: &str, password: &str) -> Answer {
    post(app, "/auth/reset-password", json!({"token": token, "password": password})).await
}

#[tokio::test]
async fn a_password_is_checked_by_the_contracts_rule() {
    let app = App::start().await;
    let check =
        async |password: &str| post(&app, "/auth/check-password", json!({"password": password})).await.expect(200);
    assert_eq!(check(NEW).await, json!({"valid": true, "errors": []}));
    for (password, errors) in
        [("", 5), ("lantern-1", 1), ("LANTERN-1", 1), ("Lantern-x", 1), ("Lantern11", 1), ("La-1", 1)]
    {
        let answer = check(password).await;
        assert_exact_members(&answer, "valid errors");
        assert_eq!((&answer["valid"], answer["errors"].as_array().unwrap().len()), (&json!(false), errors), "{answer}");
        assert!(answer["errors"][0].is_string());
    }
    refused(post(&app, "/auth/check-password", json!({})).await, 400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_link_is_sent_whether_or_not_anybody_is_there() {
    let app = App::start().await;
    let (email, _) = app.user("admin");
    let known = forget(&app, &format!(" {} ", email.to_uppercase())).await;
    assert_exact_members(&known, "message");
    for other in ["nobody@home.example", "nobody", ""] {
        assert_eq!(forget(&app, other).await, known);
    }
    app.change_member("staff", |member| member.is_active = false).await;
    assert_eq!(forget(&app, &app.user("staff").0).await, known);
    assert_eq!(items(&app, "link").await.len(), 1, "only who may sign in is sent one");
    refused(post(&app, "/auth/forgot-password", json!({})).await, 400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once() {
    let app = App::start().await;
    let (email, password) = app.user("admin");
    let (phone, portal) = (phone(&app, "admin").await, session(&app, "admin").await);
    forget(&app, &email).await;
    app.advance(1).await;
    forget(&app, &email).await;
    let tokens = reset_tokens(&app, "admin").await;
    let [first, second] = &tokens[..] else { panic!("{tokens:?}") };
    for token in [first, second] {
        assert_eq!(validate(&app, token).await, json!({"valid": true, "email": email}));
    }
    app.advance(1).await;
    invalid(reset(&app, second, "lantern").await, "password");
    assert_exact_members(&reset(&app, second, NEW).await.expect(200), "message");

    for token in [first, second] {
        assert_eq!(validate(&app, token).await, json!({"valid": false}), "one use ends them all");
        let again = refused(reset(&app, token, "Lantern-other-9!").await, 400, "INVALID_TOKEN");
        assert_eq!(again["error"], "Invalid or expired reset token");
    }
    refused(log_in(&app, &email, &password).await, 401, "INVALID_CREDENTIALS");
    log_in(&app, &email, NEW).await.expect(200);
    for session in [&phone, &portal] {
        let body = json!({"refreshToken": refresh_token(session)});
        refused(post(&app, "/auth/refresh", body).await, 401, "INVALID_REFRESH_TOKEN");
    }
    let version = phone["sessionVersion"].to_string();
    let kicked = get_as(&app, &phone, "/auth/me").header("x-session-version", &version).send().await;
    refused(kicked, 401, "SESSION_KICKED");
    // Nor does an ended session set a password by naming no version.
    for session in [&phone, &portal] {
        for body in [
            json!({"newPassword": "Lantern-thief-1!"}),
            json!({"newPassword": "Lantern-thief-1!", "currentPassword": NEW}),
        ] {
            refused(post_as(&app, session, "/auth/change-password", body).await, 401, "INVALID_TOKEN");
        }
    }
    log_in(&app, &email, NEW).await.expect(200);
    // The next link is good again.
    app.advance(1).await;
    forget(&app, &email).await;
    let third = reset_tokens(&app, "admin").await.pop().unwrap();
    app.advance(1).await;
    reset(&app, &third, "Lantern-third-1!").await.expect(200);
}

/// Whatever the user pool does not do, a reset leaves no session behind; nor a change a link that undoes it.
#[tokio::test]
async fn half_a_replacement_opens_nothing() {
    let (app, faults) = Faults::start().await;
    let (email, password) = app.user("admin");
    let old = session(&app, "admin").await;
    forget(&app, &email).await;
    let token = reset_tokens(&app, "admin").await.pop().unwrap();
    app.advance(1).await;
    faults.refuse("AdminSetUserPassword");
    refused(reset(&app, &token, NEW).await, 503, "SERVICE_UNAVAILABLE");
    faults.heal();
    let body = json!({"refreshToken": refresh_token(&old)});
    refused(post(&app, "/auth/refresh", body).await, 401, "INVALID_REFRESH_TOKEN");
    refused(reset(&app, &token, NEW).await, 400, "INVALID_TOKEN");

    let new = session(&app, "admin").await;
    app.advance(1).await;
    forget(&app, &email).await;
    faults.refuse("UpdateItem");
    let change = |body: Value| post_as(&app, &new, "/auth/change-password", body);
    for body in [json!({"newPassword": NEW}), json!({"newPassword": NEW, "currentPassword": password})] {
        assert!(change(body).await.status.is_server_error());
    }
    faults.heal();
    log_in(&app, &email, &password).await.expect(200);
    change(json!({"newPassword": NEW})).await.expect(200);
}

#[tokio::test]
async fn a_link_is_good_for_ten_minutes() {
    let app = App::start().await;
    let (email, password) = app.user("admin");
    forget(&app, &email).await;
    let token = reset_tokens(&app, "admin").await.pop().unwrap();
    app.advance(590).await;
    assert_eq!(validate(&app, &token).await["valid"], true);
    app.advance(11).await;
    assert_eq!(validate(&app, &token).await, json!({"valid": false}));
    refused(reset(&app, &token, NEW).await, 400, "INVALID_TOKEN");
    log_in(&app, &email, &password).await.expect(200);
    for junk in ["", "x", &"0".repeat(64), &"é".repeat(32)] {
        assert_eq!(validate(&app, junk).await, json!({"valid": false}));
        refused(reset(&app, junk, NEW).await, 400, "INVALID_TOKEN");
    }
}

#[tokio::test]
async fn of_uses_at_once_one_succeeds() {
    let app = App::start().await;
    let (email, _) = app.user("admin");
    forget(&app, &email).await;
    let token = reset_tokens(&app, "admin").await.pop().unwrap();
    app.advance(1).await;
    let passwords: Vec<String> = (0..6).map(|i| format!("Lantern-{i}-once!")).collect();
    let answers = futures_util::future::join_all(passwords.iter().map(|password| reset(&app, &token, password))).await;
    let done: Vec<usize> = (0..6).filter(|i| answers[*i].status == 200).collect();
    assert_eq!(done.len(), 1);
    log_in(&app, &email, &passwords[done[0]]).await.expect(200);
}

#[tokio::test]
async fn who_is_shut_out_resets_nothing() {
    let app = App::start().await;
    let (email, _) = app.user("admin");
    forget(&app, &email).await;
    let token = reset_tokens(&app, "admin").await.pop().unwrap();
    app.advance(1).await;
    app.change_member("admin", |member| member.is_active = false).await;
    assert_eq!(validate(&app, &token).await, json!({"valid": false}));
    refused(reset(&app, &token, NEW).await, 400, "INVALID_TOKEN");
}

#[tokio::test]
async fn nobody_fills_anothers_mailbox() {
    let app = App::with(App::options()).await;
    let (email, _) = app.user("admin");
    let mut answers = Vec::new();
    for _ in 0..7 {
        answers.push(forget(&app, &email).await);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(reset_tokens(&app, "admin").await.len(), 5);
}

#[tokio::test]
async fn a_password_is_changed_with_and_without_the_old_one() {
    let app = App::start().await;
    let (email, password) = app.user("admin");
    let session = session(&app, "admin").await;
    forget(&app, &email).await;
    let link = reset_tokens(&app, "admin").await.pop().unwrap();
    app.advance(1).await;
    let change = |body: Value| post_as(&app, &session, "/auth/change-password", body);
    invalid(change(json!({"newPassword": "Lantern-changed"})).await, "newPassword");
    refused(change(json!({"currentPassword": password})).await, 400, "VALIDATION_ERROR");
    let wrong = json!({"currentPassword": "Not-the-password-1", "newPassword": NEW});
    refused(change(wrong).await, 400, "INVALID_PASSWORD");
    log_in(&app, &email, &password).await.expect(200);

    assert_exact_members(&change(json!({"newPassword": NEW})).await.expect(200), "message");
    refused(log_in(&app, &email, &password).await, 401, "INVALID_CREDENTIALS");
    log_in(&app, &email, NEW).await.expect(200);
    assert_eq!(validate(&app, &link).await, json!({"valid": false}), "links to reset the old one are dead");
    get_as(&app, &session, "/auth/me").send().await.expect(200);
    let body = json!({"currentPassword": NEW, "newPassword": "Lantern-again-1!"});
    change(body).await.expect(200);
    log_in(&app, &email, "Lantern-again-1!").await.expect(200);
    post(&app, "/auth/refresh", json!({"refreshToken": refresh_token(&session)})).await.expect(200);
}
