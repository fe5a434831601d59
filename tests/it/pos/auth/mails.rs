//! The e-mails that signing up, forgetting and being invited send, and their links as they arrive.

use serde_json::{Value, json};

use super::*;

/// The newest e-mail to an address, once one more than `before` has come.
async fn mail_after(app: &App, to: &str, before: usize) -> Value {
    app.until("the e-mail comes", async || app.mails(to).await.len() > before).await;
    app.mails(to).await.remove(0)
}

/// The secret in a link of an e-mail; the same in both its bodies.
fn secret_in(mail: &Value, page: &str) -> String {
    let after = |body: &Value| {
        let (_, rest) = body.as_str().unwrap().split_once(page).unwrap_or_else(|| panic!("no {page} in {body}"));
        let rest = rest.strip_prefix("?token=").unwrap();
        rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>()
    };
    let secret = after(&mail["text"]);
    assert_eq!((secret.len(), &secret), (64, &after(&mail["html"])));
    secret
}

#[tokio::test]
async fn who_signs_up_is_welcomed() {
    let app = App::start().await;
    post(&app, "/auth/signup", super::signup::body("nora@new.example")).await.expect(201);
    let mail = mail_after(&app, "nora@new.example", 0).await;
    assert!(mail["text"].as_str().unwrap().contains("Nora"), "{mail}");
    assert!(mail["subject"].as_str().unwrap().contains("New Bar"), "{mail}");
}

#[tokio::test]
async fn the_link_of_the_e_mail_replaces_the_password() {
    let app = App::start().await;
    let (email, _) = app.user("admin");
    super::passwords::forget(&app, &email).await;
    let secret = secret_in(&mail_after(&app, &email, 0).await, "/reset-password");
    assert_eq!(super::passwords::reset_tokens(&app, "admin").await, std::slice::from_ref(&secret));
    let body = json!({"token": secret, "password": "Lantern-mailed-1!"});
    app.advance(1).await;
    post(&app, "/auth/reset-password", body).await.expect(200);
    log_in(&app, &email, "Lantern-mailed-1!").await.expect(200);
}

#[tokio::test]
async fn the_link_of_the_e_mail_accepts_the_invitation() {
    let app = App::start().await;
    super::invitations::invite(&app).await;
    let mail = mail_after(&app, super::invitations::EMAIL, 0).await;
    let secret = secret_in(&mail, "/accept-invite");
    assert!(mail["text"].as_str().unwrap().contains("Home Productions"), "{mail}");
    let body = json!({"token": secret, "password": "Lantern-mailed-1!"});
    post(&app, "/auth/accept-invite", body).await.expect(200);
    log_in(&app, super::invitations::EMAIL, "Lantern-mailed-1!").await.expect(200);
}
