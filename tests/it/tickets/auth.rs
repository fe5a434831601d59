//! `/tickets/api/auth`: contract §3.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::app::{Answer, App, assert_exact_members};

async fn log_in(app: &App, email: &str, password: &str) -> Answer {
    app.post("/tickets/api/auth/login").json(&json!({"email": email, "password": password})).send().await
}

/// A session of a demo user.
async fn session(app: &App, role: &str) -> Value {
    let (email, password) = app.user(role);
    log_in(app, &email, &password).await.expect(200)
}

async fn refresh(app: &App, body: Value) -> Answer {
    app.post("/tickets/api/auth/refresh").json(&body).send().await
}

async fn refresh_by(app: &App, session: &Value) -> Answer {
    refresh(app, json!({"refreshToken": session["refreshToken"]})).await
}

async fn me(app: &App, session: &Value) -> Answer {
    app.get("/tickets/api/auth/me").token(session["accessToken"].as_str().unwrap()).send().await
}

fn claims(session: &Value) -> Value {
    let token = session["accessToken"].as_str().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_session_is_at_the_top_level() {
    let app = App::start().await;
    let (email, password) = app.user("staff");
    let session = log_in(&app, &format!("  {} ", email.to_uppercase()), &password).await.expect(200);
    assert_exact_members(&session, "success accessToken refreshToken user");
    assert_eq!(session["success"], true);
    assert_exact_members(&session["user"], "id email name role");
    assert_eq!((&session["user"]["email"], &session["user"]["role"]), (&json!(email), &json!("staff")));
    let claims = claims(&session);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 15 * 60);
    assert_eq!((&claims["sub"], &claims["token_use"]), (&session["user"]["id"], &json!("access")));
}

#[tokio::test]
async fn unknown_wrong_and_inactive_are_one_answer() {
    let app = App::start().await;
    let (email, password) = app.user("staff");
    let other = session(&app, "staff").await;
    let wrong = log_in(&app, &email, "Not-the-password-1").await;
    let unknown = log_in(&app, "nobody@home.example", &password).await;
    app.change_member("staff", |member| member.is_active = false).await;
    let inactive = log_in(&app, &email, &password).await;
    let wrong = wrong.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(unknown.refused(401, "INVALID_CREDENTIALS"), wrong);
    assert_eq!(inactive.refused(401, "INVALID_CREDENTIALS"), wrong);

    refresh_by(&app, &other).await.refused(401, "INVALID_REFRESH_TOKEN");
    me(&app, &other).await.refused(401, "INVALID_TOKEN");
    let events = app.get("/tickets/api/admin/events").token(other["accessToken"].as_str().unwrap()).send().await;
    events.refused(401, "INVALID_TOKEN");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let app = App::start().await;
    for body in
        [json!({}), json!({"email": "a@b.co"}), json!({"password": "x"}), json!({"email": " ", "password": "x"})]
    {
        let answer = app.post("/tickets/api/auth/login").json(&body).send().await;
        answer.refused(400, "MISSING_REQUIRED_FIELDS");
    }
    for body in [json!({}), json!({"refreshToken": ""}), json!({"userId": "x"})] {
        refresh(&app, body).await.refused(400, "MISSING_REQUIRED_FIELDS");
    }
}

#[tokio::test]
async fn a_refresh_token_alone_is_enough_and_works_once() {
    let app = App::start().await;
    let first = session(&app, "admin").await;
    let second = refresh_by(&app, &first).await.expect(200);
    assert_exact_members(&second, "success accessToken refreshToken user");
    assert_eq!(second["user"], first["user"]);
    assert_ne!(second["refreshToken"], first["refreshToken"]);
    assert_ne!(second["accessToken"], first["accessToken"]);
    me(&app, &second).await.expect(200);
    refresh_by(&app, &first).await.refused(401, "INVALID_REFRESH_TOKEN");

    let third = session(&app, "admin").await;
    let body = json!({"refreshToken": third["refreshToken"], "userId": third["user"]["id"]});
    refresh(&app, body).await.expect(200);
    let fourth = session(&app, "admin").await;
    let staff = session(&app, "staff").await;
    let body = json!({"refreshToken": fourth["refreshToken"], "userId": staff["user"]["id"]});
    refresh(&app, body).await.refused(401, "INVALID_REFRESH_TOKEN");
    for junk in [json!("junk"), staff["accessToken"].clone()] {
        refresh(&app, json!({"refreshToken": junk})).await.refused(401, "INVALID_REFRESH_TOKEN");
    }
}

#[tokio::test]
async fn of_concurrent_refreshes_with_one_token_one_succeeds() {
    let app = App::start().await;
    let first = session(&app, "admin").await;
    let answers = futures_util::future::join_all((0..8).map(|_| refresh_by(&app, &first))).await;
    let (done, refused): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1);
    refused.into_iter().for_each(|answer| drop(answer.refused(401, "INVALID_REFRESH_TOKEN")));
}

#[tokio::test]
async fn an_access_token_lives_a_quarter_of_an_hour_and_a_refresh_token_a_week() {
    let app = App::start().await;
    let first = session(&app, "admin").await;
    app.advance(16 * 60).await;
    me(&app, &first).await.refused(401, "INVALID_TOKEN");
    let second = refresh_by(&app, &first).await.expect(200);
    me(&app, &second).await.expect(200);
    app.advance(8 * 24 * 3600).await;
    refresh_by(&app, &second).await.refused(401, "INVALID_REFRESH_TOKEN");
}

#[tokio::test]
async fn logging_out_revokes_every_refresh_token() {
    let app = App::start().await;
    let (phone, desk) = (session(&app, "admin").await, session(&app, "admin").await);
    let staff = session(&app, "staff").await;
    let token = phone["accessToken"].as_str().unwrap();
    let answer = app.post("/tickets/api/auth/logout").token(token).send().await.expect(200);
    assert_exact_members(&answer, "success message");
    for session in [&phone, &desk] {
        refresh_by(&app, session).await.refused(401, "INVALID_REFRESH_TOKEN");
    }
    refresh_by(&app, &staff).await.expect(200);
    session(&app, "admin").await;
}

#[tokio::test]
async fn a_changed_password_ends_every_session() {
    let app = App::start().await;
    let (email, password) = app.user("admin");
    let (phone, desk) = (session(&app, "admin").await, session(&app, "admin").await);
    let token = desk["accessToken"].as_str().unwrap();
    let change = |body: Value| app.post("/tickets/api/auth/change-password").token(token).json(&body).send();
    change(json!({"currentPassword": password})).await.refused(400, "MISSING_REQUIRED_FIELDS");
    change(json!({"newPassword": "A-new-password-1"})).await.refused(400, "MISSING_REQUIRED_FIELDS");
    let short = change(json!({"currentPassword": password, "newPassword": "Short-1"})).await;
    short.refused(400, "VALIDATION_ERROR");
    let wrong = change(json!({"currentPassword": "Not-the-password-1", "newPassword": "A-new-password-1"})).await;
    wrong.refused(400, "INVALID_PASSWORD");
    log_in(&app, &email, &password).await.expect(200);

    let done = change(json!({"currentPassword": password, "newPassword": "A-new-password-1"})).await.expect(200);
    assert_exact_members(&done, "success message");
    for session in [&phone, &desk] {
        refresh_by(&app, session).await.refused(401, "INVALID_REFRESH_TOKEN");
    }
    log_in(&app, &email, &password).await.refused(401, "INVALID_CREDENTIALS");
    log_in(&app, &email, "A-new-password-1").await.expect(200);
}

#[tokio::test]
async fn who_one_is() {
    let app = App::start().await;
    let session = session(&app, "superadmin").await;
    let answer = me(&app, &session).await.expect(200);
    assert_exact_members(&answer, "success user");
    let user = &answer["user"];
    assert_exact_members(user, "id email name role last_login_at created_at");
    for name in ["id", "email", "name", "role"] {
        assert_eq!(user[name], session["user"][name]);
    }
    for name in ["last_login_at", "created_at"] {
        user[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    let mut claims = claims(&session);
    claims["sub"] = json!("6a1f5c1e-3a53-4c62-b1cb-4a3f3f9d0c11");
    let gone = json!({"accessToken": app.cloud.sign_token(&claims)});
    me(&app, &gone).await.refused(404, "USER_NOT_FOUND");
}

#[tokio::test]
async fn a_person_without_a_role_may_sign_in_and_nothing_else() {
    let app = App::start().await;
    app.change_member("staff", |member| member.role = None).await;
    let session = session(&app, "staff").await;
    assert_eq!(session["user"]["role"], Value::Null);
    let token = session["accessToken"].as_str().unwrap();
    for path in ["events", "orders", "gallery", "stats", "stats/audit", "checkins"] {
        let answer = app.get(&format!("/tickets/api/admin/{path}")).token(token).send().await;
        answer.refused(403, "FORBIDDEN");
    }
    app.change_member("staff", |member| member.role = Some(domain::member::Role::Staff)).await;
    app.get("/tickets/api/admin/events").token(token).send().await.expect(200);
}
