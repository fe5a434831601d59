//! The routes of webhooks: what they take, whom, and what they never show.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Receiver, add, log, path, sell, send, start};
use crate::{
    app::assert_exact_members,
    pos::till::{NOWHERE, Person, id, invalid, refused},
};

const WEBHOOK: &str = "id url events enabled previousSecretUntil createdAt updatedAt";

#[tokio::test]
async fn a_webhook_is_made_shown_changed_and_taken_away() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    assert_eq!(person.get(&path(&app, "")).await.expect(200), json!({"webhooks": [], "limit": 10}));
    let made = add(&person, &receiver, json!(["order.deleted", "order.created"])).await;
    assert_exact_members(&made, &format!("{WEBHOOK} secret"));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(made["events"], json!(["order.created", "order.deleted"]));

    let listed = person.get(&path(&app, "")).await.expect(200)["webhooks"].clone();
    assert_exact_members(&listed[0], WEBHOOK);
    let one = path(&app, &format!("/{}", id(&made)));
    let url = "https://hooks.example.com/pos";
    let changed = person.patch(&one, json!({"url": url, "events": [], "enabled": false})).await.expect(200);
    assert_exact_members(&changed, WEBHOOK);
    assert_eq!((&changed["url"], &changed["events"], &changed["enabled"]), (&json!(url), &json!([]), &json!(false)));
    assert_eq!(person.patch(&one, json!({})).await.expect(200)["url"], url, "what is not named stays");

    person.delete(&one).await.expect(204);
    assert_eq!(person.get(&path(&app, "")).await.expect(200)["webhooks"], json!([]));
    refused(person.delete(&one).await, 404, "WEBHOOK_NOT_FOUND");
    // No secret is in the table, however often it was shown.
    let ctx = app.cloud.ctx("pos-auth");
    let mut pages = ctx.store().client().scan().table_name(ctx.store().table()).into_paginator().items().send();
    while let Some(item) = pages.next().await {
        assert!(!format!("{:?}", item.unwrap()).contains("whsec_"));
    }
}

#[tokio::test]
async fn what_cannot_be_a_webhook() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let url = "https://example.com/hook";
    let all = path(&app, "");
    let made = person.post(&all, json!({"url": url})).await.expect(201);
    let one = path(&app, &format!("/{}", id(&made)));
    let long = format!("https://example.com/{}", "x".repeat(2048));
    for bad in ["", "example.com", "ftp://example.com/", "https://a:b@example.com/", "https://example.com/#x", &long] {
        invalid(person.post(&all, json!({"url": bad})).await, "url");
        invalid(person.patch(&one, json!({"url": bad})).await, "url");
    }
    let many = json!(vec!["order.created"; 7]);
    for bad in [json!(["ping"]), json!(["order.eaten"]), json!("order.created"), many] {
        refused(person.post(&all, json!({"url": url, "events": bad})).await, 400, "VALIDATION_ERROR");
        refused(person.patch(&one, json!({"events": bad})).await, 400, "VALIDATION_ERROR");
    }
    refused(person.post(&all, json!({})).await, 400, "VALIDATION_ERROR");
    refused(person.patch(&one, json!({"enabled": "yes"})).await, 400, "VALIDATION_ERROR");
    for bad in ["limit=0", "limit=101", "limit=x", "starting_after=nowhere"] {
        refused(person.get(&format!("{one}/deliveries?{bad}")).await, 400, "VALIDATION_ERROR");
    }
    assert_eq!(person.get(&all).await.expect(200)["webhooks"].as_array().unwrap().len(), 1, "nothing was written");

    let more = futures_util::future::join_all((0..14).map(|_| person.post(&all, json!({"url": url})))).await;
    let (made, full): (Vec<_>, Vec<_>) = more.into_iter().partition(|answer| answer.status == 201);
    for answer in full {
        // Who lost every round against the others may come again; nobody makes an eleventh.
        assert!(answer.body["code"] == "WEBHOOK_LIMIT_REACHED" || answer.status == 503, "{answer:?}");
    }
    assert!(made.len() <= 9);
    for _ in made.len()..9 {
        person.post(&all, json!({"url": url})).await.expect(201);
    }
    refused(person.post(&all, json!({"url": url})).await, 409, "WEBHOOK_LIMIT_REACHED");
    assert_eq!(person.get(&all).await.expect(200)["webhooks"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn webhooks_are_their_organizations_and_its_managers() {
    let app = start().await;
    let [owner, staff, other] =
        [Person::new(&app, "superadmin").await, Person::new(&app, "staff").await, Person::new(&app, "other").await];
    app.change_member("other", |member| member.role = Some(domain::member::Role::Superadmin)).await;
    let receiver = Receiver::start().await;
    let webhook = add(&owner, &receiver, json!([])).await;
    let foreign = other.login["user"]["organizationId"].as_str().unwrap();
    assert_ne!(app.demo["org_id"], foreign);
    for (method, rest) in [
        (Method::GET, ""),
        (Method::POST, ""),
        (Method::PATCH, "/{id}"),
        (Method::DELETE, "/{id}"),
        (Method::GET, "/{id}/deliveries"),
        (Method::POST, "/{id}/rotate"),
        (Method::POST, "/{id}/test"),
    ] {
        let call = async |person: &Person<'_>, org: &str, webhook: &str| {
            let path = format!("/organizations/{org}/webhooks{}", rest.replace("{id}", webhook));
            send(person, method.clone(), &path, json!({"url": "https://example.com/"})).await
        };
        let home = app.demo["org_id"].as_str().unwrap();
        refused(call(&staff, home, id(&webhook)).await, 403, "FORBIDDEN");
        refused(call(&other, home, id(&webhook)).await, 403, "FORBIDDEN");
        refused(call(&other, "nonsense", id(&webhook)).await, 403, "FORBIDDEN");
        if !rest.is_empty() {
            refused(call(&other, foreign, id(&webhook)).await, 404, "WEBHOOK_NOT_FOUND");
            refused(call(&owner, home, NOWHERE).await, 404, "WEBHOOK_NOT_FOUND");
            refused(call(&owner, home, "nonsense").await, 404, "WEBHOOK_NOT_FOUND");
        }
    }
    let listed = owner.get(&path(&app, "")).await.expect(200);
    assert_eq!(listed["webhooks"].as_array().unwrap().len(), 1, "and is there as before");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn the_log_is_paged() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!(["order.completed"])).await;
    for total in 1..=5 {
        sell(&person, total * 100).await;
    }
    app.cloud.drain().await;
    let whole: Vec<Value> = log(&person, &webhook).await.iter().map(|row| row["id"].clone()).collect();
    assert_eq!(whole.len(), 5);
    let (mut seen, mut after) = (vec![], String::new());
    loop {
        let page = format!("/{}/deliveries?limit=2&starting_after={after}", id(&webhook));
        let page = person.get(&path(&app, &page)).await.expect(200);
        let rows = page["data"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["id"].clone()));
        if page["hasMore"] == false {
            break;
        }
        after = rows.last().unwrap()["id"].as_str().unwrap().to_owned();
    }
    assert_eq!(seen, whole);
    assert_exact_members(&log(&person, &webhook).await[0], "id eventId type eventAt outcome attempts tries answer");
}
