//! Signing in, profiles, organizations (contract `pos.md` §2, §3).

mod account;
mod faults;
mod invitations;
mod mails;
mod organizations;
mod passwords;
mod sessions;
mod signup;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ids::UserId, member::Member};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, Call};

/// What a bearer and a session of long ago look like.
const STALE_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJnb25lIn0.c2lnbmF0dXJl";

/// A body to a route of the counter.
async fn post(app: &App, path: &str, body: Value) -> Answer {
    app.post(&format!("/pos{path}")).json(&body).send().await
}

/// The same as somebody who is signed in.
async fn post_as(app: &App, session: &Value, path: &str, body: Value) -> Answer {
    app.post(&format!("/pos{path}")).token(bearer(session)).json(&body).send().await
}

async fn patch_as(app: &App, session: &Value, path: &str, body: Value) -> Answer {
    app.call(Method::PATCH, &format!("/pos{path}")).token(bearer(session)).json(&body).send().await
}

/// A call with a session's token.
fn get_as<'a>(app: &'a App, session: &Value, path: &str) -> Call<'a> {
    app.get(&format!("/pos{path}")).token(bearer(session))
}

async fn log_in(app: &App, email: &str, password: &str) -> Answer {
    post(app, "/auth/login", json!({"email": email, "password": password})).await
}

/// A session of a demo user, from the portal.
async fn session(app: &App, role: &str) -> Value {
    let (email, password) = app.user(role);
    log_in(app, &email, &password).await.expect(200)
}

/// A session of a demo user, from the app, as the app signs in.
async fn phone(app: &App, role: &str) -> Value {
    let (email, password) = app.user(role);
    let device = json!({"name": "Phone", "model": "iPhone 16", "os": "ios", "osVersion": "18", "appVersion": "2.1"});
    let body =
        json!({"email": email, "password": password, "source": "app", "deviceId": "device-1", "deviceInfo": device});
    post(app, "/auth/login", body).await.expect(200)
}

fn bearer(session: &Value) -> &str {
    session["tokens"]["accessToken"].as_str().unwrap()
}

fn refresh_token(session: &Value) -> &str {
    session["tokens"]["refreshToken"].as_str().unwrap()
}

/// An error of the counter's shape (contract §1.3).
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) -> Value {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    for name in ["error", "message"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    body
}

/// A refusal that names these fields.
#[track_caller]
fn invalid(answer: Answer, paths: &str) {
    let body = refused(answer, 400, "VALIDATION_ERROR");
    assert_eq!(body["error"], "VALIDATION_ERROR");
    let mut found: Vec<&str> =
        body["details"].as_array().unwrap().iter().map(|detail| detail["path"].as_str().unwrap()).collect();
    found.dedup();
    assert_eq!(found.join(" "), paths, "{body}");
}

/// A demo user's member item, as the table has it.
async fn member(app: &App, role: &str) -> Member {
    let (email, _) = app.user(role);
    let user = app.demo["users"].as_array().unwrap().iter().find(|user| user["email"] == email.as_str()).unwrap();
    load(app, user["user_id"].as_str().unwrap()).await
}

async fn load(app: &App, user: &str) -> Member {
    let user: UserId = user.parse().unwrap();
    app.cloud.ctx("pos-auth").store().load_member(user).await.unwrap().unwrap()
}

/// An item as it lies in the table.
type Item = HashMap<String, AttributeValue>;

/// All items of an entity.
async fn items(app: &App, entity: &str) -> Vec<Item> {
    let ctx = app.cloud.ctx("pos-auth");
    let scan = ctx.store().client().scan().table_name(ctx.store().table()).consistent_read(true);
    let mut pages = scan.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        if text(&item, "entity") == entity {
            found.push(item);
        }
    }
    found
}

/// A string attribute of an item.
fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}
