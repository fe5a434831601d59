//! `/pos/tips` (contract `pos.md` §12): pools, shared by hours to the cent, fixed once; and what was tipped.

use domain::{ids::UserId, ledger::Owner};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};

const POOL: &str = "id organizationId name startDate endDate totalTips status notes createdBy creatorFirstName \
    creatorLastName createdAt updatedAt";
const MEMBER: &str =
    "id tipPoolId userId firstName lastName avatarUrl hoursWorked tipsEarned poolShare finalAmount createdAt updatedAt";

fn today(app: &App) -> String {
    app.cloud.now().strftime("%Y-%m-%d").to_string()
}

fn user(app: &App, role: &str) -> String {
    let (email, _) = app.user(role);
    let users = app.demo["users"].as_array().unwrap();
    users.iter().find(|user| user["email"] == email.as_str()).unwrap()["user_id"].as_str().unwrap().to_owned()
}

/// Sells for cash with a tip.
async fn tipped(person: &Person<'_>, subtotal: i64, tip: i64) -> Value {
    let order = person.order("cash", subtotal + tip, json!({"subtotal": subtotal, "tipAmount": tip})).await;
    pay_cash(person.app, &person.token, &order, subtotal + tip).await;
    order
}

/// A pool of today with these hours, of the owner, the admin and staff.
async fn pool(app: &App, owner: &Person<'_>, hours: [f64; 3]) -> String {
    let body = json!({"name": "Friday", "startDate": today(app), "endDate": today(app)});
    let made = owner.post("/tips/pools", body).await.expect(201);
    let members: Vec<Value> = ["superadmin", "admin", "staff"]
        .iter()
        .zip(hours)
        .map(|(role, hours)| json!({"userId": user(app, role), "hoursWorked": hours}))
        .collect();
    let path = format!("/tips/pools/{}", id(&made));
    owner.post(&format!("{path}/members"), json!({"members": members})).await.expect(200);
    path
}

async fn balance(app: &App, account: Owner) -> i64 {
    let org = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    app.cloud.ctx("pos-staff").store().load_balance(org, account).await.unwrap().0
}

fn member_account(app: &App, role: &str) -> Owner {
    Owner::Member(user(app, role).parse::<UserId>().unwrap())
}

/// From a draft to money: hours to the cent, the remainder to the last, paid out once.
#[tokio::test]
async fn a_pool_is_shared_by_hours_and_paid_out() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let staff = Person::new(&app, "staff").await;
    tipped(&owner, 1000, 333).await;
    tipped(&staff, 1000, 667).await;
    let back = tipped(&staff, 1000, 5000).await;
    owner.refund(&back, json!({})).await.expect(200);
    owner.order("cash", 1100, json!({"subtotal": 1000, "tipAmount": 100})).await;

    let body = json!({"name": "Friday", "startDate": today(&app), "endDate": today(&app), "notes": "late"});
    let made = owner.post("/tips/pools", body).await.expect(201);
    assert_exact_members(&made, POOL);
    assert_eq!((&made["status"], &made["totalTips"], &made["notes"]), (&json!("draft"), &json!(0), &json!("late")));
    assert_eq!((&made["startDate"], &made["createdBy"]), (&json!(today(&app)), &owner.login["user"]["id"]));
    assert_eq!((&made["creatorFirstName"], &made["creatorLastName"]), (&json!("Sofia"), &json!("Reyes")));
    assert_time(&made["createdAt"]);
    let path = format!("/tips/pools/{}", id(&made));
    assert_eq!(owner.get(&path).await.expect(200)["members"], json!([]));
    refused(owner.post(&format!("{path}/calculate"), json!({})).await, 400, "NO_HOURS");
    refused(owner.post(&format!("{path}/finalize"), json!({})).await, 400, "POOL_NOT_CALCULATED");

    let member = |role: &str, hours: f64| json!({"userId": user(&app, role), "hoursWorked": hours});
    let members = json!({"members": [member("superadmin", 2.5), member("admin", 2.5), member("staff", 0.0)]});
    let saved = owner.post(&format!("{path}/members"), members).await.expect(200);
    assert_exact_members(&saved[0], MEMBER);
    assert!(saved[0]["hoursWorked"].is_number());
    let again = json!({"members": [member("staff", 2.5)]});
    let saved = owner.post(&format!("{path}/members"), again).await.expect(200);
    assert_eq!(saved.as_array().unwrap().len(), 3, "changed, not added");

    let shared = owner.post(&format!("{path}/calculate"), json!({})).await.expect(200);
    assert_exact_members(&shared, &format!("{POOL} members"));
    assert_eq!(
        (&shared["status"], &shared["totalTips"]),
        (&json!("calculated"), &json!(1000)),
        "of completed orders only"
    );
    let of = |shared: &Value, role: &str| -> (i64, i64, i64) {
        let member =
            shared["members"].as_array().unwrap().iter().find(|one| one["userId"] == user(&app, role)).unwrap().clone();
        (int(&member, "/poolShare"), int(&member, "/finalAmount"), int(&member, "/tipsEarned"))
    };
    assert_eq!(of(&shared, "superadmin"), (333, 333, 333));
    assert_eq!(of(&shared, "admin"), (333, 333, 0));
    assert_eq!(of(&shared, "staff"), (334, 334, 667), "the remainder is the last one's");
    assert_eq!(shared["members"][0]["userId"], user(&app, "staff"), "the largest share first");

    // Other hours make it a draft again.
    owner.post(&format!("{path}/members"), json!({"members": [member("staff", 5.0)]})).await.expect(200);
    assert_eq!(owner.get(&path).await.expect(200)["status"], "draft");
    refused(owner.post(&format!("{path}/finalize"), json!({})).await, 400, "POOL_NOT_CALCULATED");
    let shared = owner.post(&format!("{path}/calculate"), json!({})).await.expect(200);
    assert_eq!([of(&shared, "superadmin").0, of(&shared, "admin").0, of(&shared, "staff").0], [250, 250, 500]);
    let done = owner.post(&format!("{path}/finalize"), json!({})).await.expect(200);
    assert_exact_members(&done, POOL);
    assert_eq!((&done["status"], &done["totalTips"]), (&json!("finalized"), &json!(1000)));
    // What is tipped later changes nothing any more.
    tipped(&owner, 1000, 900).await;
    assert_eq!(owner.post(&format!("{path}/finalize"), json!({})).await.expect(200), done, "idempotent");
    for (step, body) in [("/calculate", json!({})), ("/members", json!({"members": [member("staff", 1.0)]}))] {
        refused(owner.post(&format!("{path}{step}"), body).await, 400, "POOL_FINALIZED");
    }
    refused(owner.patch(&path, json!({"name": "x"})).await, 400, "POOL_FINALIZED");
    refused(owner.delete(&path).await, 404, "POOL_NOT_FOUND");
    let out = format!("{path}/members/{}", user(&app, "staff"));
    refused(owner.delete(&out).await, 400, "POOL_FINALIZED");

    app.until("it is paid out", async || balance(&app, Owner::Tips).await == -1000).await;
    assert_eq!(balance(&app, member_account(&app, "staff")).await, 500);
    app.advance(120).await;
    app.run_schedule("workers-payouts").await;
    app.verify().await;
    assert_eq!(balance(&app, Owner::Tips).await, -1000, "once");
}

/// Twice at once, and ten times: fixed once, paid once. With a change of hours in between, either comes first.
#[tokio::test]
async fn a_pool_is_finalized_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    tipped(&owner, 1000, 1000).await;
    let path = pool(&app, &owner, [1.0, 1.0, 2.0]).await;
    owner.post(&format!("{path}/calculate"), json!({})).await.expect(200);
    let finalize = format!("{path}/finalize");
    let answers = join_all((0..10).map(|_| owner.post(&finalize, json!({})))).await;
    let first = answers[0].body.clone();
    for answer in answers {
        assert_eq!(answer.expect(200), first, "the same pool, fixed at the same moment");
    }
    app.until("it is paid out", async || balance(&app, Owner::Tips).await == -1000).await;
    app.cloud.drain().await;
    assert_eq!(balance(&app, member_account(&app, "staff")).await, 500);

    for _ in 0..3 {
        let path = pool(&app, &owner, [1.0, 1.0, 2.0]).await;
        owner.post(&format!("{path}/calculate"), json!({})).await.expect(200);
        let members = json!({"members": [{"userId": user(&app, "staff"), "hoursWorked": 98}]});
        let (finalize, edit) = (format!("{path}/finalize"), format!("{path}/members"));
        let (fixed, changed) = tokio::join!(owner.post(&finalize, json!({})), owner.post(&edit, members));
        assert_ne!(fixed.status == 200, changed.status == 200, "{fixed:?} {changed:?}");
        let pool = owner.get(&path).await.expect(200);
        assert_eq!(pool["status"] == "finalized", fixed.status == 200);
        let shares: i64 = pool["members"].as_array().unwrap().iter().map(|one| int(one, "/finalAmount")).sum();
        assert_eq!(shares, if pool["status"] == "finalized" { 1000 } else { 0 });
    }
    app.verify().await;
}

#[tokio::test]
async fn pools_are_listed_renamed_and_deleted() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let mut made = Vec::new();
    for n in 0..3 {
        let body = json!({"name": format!("Pool {n}"), "startDate": "2026-01-01", "endDate": "2026-01-31"});
        made.insert(0, owner.post("/tips/pools", body).await.expect(201));
        app.advance(1).await;
    }
    let list = owner.get("/tips/pools").await.expect(200);
    assert_exact_members(&list, "pools total");
    assert_eq!((&list["pools"], &list["total"]), (&json!(made), &json!(3)), "newest first, without members");
    let page = owner.get("/tips/pools?limit=1&offset=1").await.expect(200);
    assert_eq!((&page["pools"], &page["total"]), (&json!([made[1]]), &json!(3)));
    assert_eq!(owner.get("/tips/pools?status=draft").await.expect(200)["total"], 3);
    assert_eq!(owner.get("/tips/pools?status=finalized").await.expect(200), json!({"pools": [], "total": 0}));
    let path = format!("/tips/pools/{}", id(&made[0]));
    let renamed = owner.patch(&path, json!({"name": "New", "notes": "n"})).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["notes"]), (&json!("New"), &json!("n")));
    assert_eq!(owner.patch(&path, json!({"notes": null})).await.expect(200)["notes"], Value::Null);

    // A member is taken out; what is calculated is not deleted any more.
    tipped(&owner, 1000, 100).await;
    let shared = pool(&app, &owner, [1.0, 1.0, 1.0]).await;
    let out = |role: &str| format!("{shared}/members/{}", user(&app, role));
    assert_eq!(owner.delete(&out("staff")).await.status, 204);
    refused(owner.delete(&out("staff")).await, 404, "MEMBER_NOT_FOUND");
    assert_eq!(owner.get(&shared).await.expect(200)["members"].as_array().unwrap().len(), 2);
    owner.post(&format!("{shared}/calculate"), json!({})).await.expect(200);
    refused(owner.delete(&shared).await, 404, "POOL_NOT_FOUND");
    assert_eq!(owner.delete(&path).await.status, 204);
    refused(owner.get(&path).await, 404, "POOL_NOT_FOUND");

    for (body, field) in [
        (json!({"startDate": "2026-01-01", "endDate": "2026-01-02"}), "name"),
        (json!({"name": "", "startDate": "2026-01-01", "endDate": "2026-01-02"}), "name"),
        (json!({"name": "é".repeat(256), "startDate": "2026-01-01", "endDate": "2026-01-02"}), "name"),
        (json!({"name": "a", "endDate": "2026-01-02"}), "startDate"),
        (json!({"name": "a", "startDate": "1.1.2026", "endDate": "2026-01-02"}), "startDate"),
        (json!({"name": "a", "startDate": "2026-01-02", "endDate": "2026-01-01"}), "endDate"),
        (json!({"name": "a", "startDate": "2026-01-01", "endDate": "2026-02-30"}), "endDate"),
        (json!({"name": "a", "startDate": "2024-01-01", "endDate": "2026-01-01"}), "endDate"),
    ] {
        invalid(owner.post("/tips/pools", body).await, field);
    }
    let other = user(&app, "other");
    for (member, field) in [
        (json!({"userId": other, "hoursWorked": 1}), "members[0].userId"),
        (json!({"userId": NOWHERE, "hoursWorked": 1}), "members[0].userId"),
        (json!({"userId": user(&app, "staff"), "hoursWorked": -1}), "members[0].hoursWorked"),
        (json!({"userId": user(&app, "staff"), "hoursWorked": 10_001}), "members[0].hoursWorked"),
        (json!({"hoursWorked": 1}), "members[0].userId"),
    ] {
        invalid(owner.post(&format!("{shared}/members"), json!({"members": [member]})).await, field);
    }
    invalid(owner.post(&format!("{shared}/members"), json!({"members": []})).await, "members");
    let stranger = Person::new(&app, "other").await;
    for (person, path) in [(&stranger, shared.as_str()), (&owner, "/tips/pools/x")] {
        refused(person.get(path).await, 404, "POOL_NOT_FOUND");
        refused(person.post(&format!("{path}/finalize"), json!({})).await, 404, "POOL_NOT_FOUND");
    }
    for bad in ["limit=0", "limit=101", "status=paid", "offset=-1"] {
        refused(owner.get(&format!("/tips/pools?{bad}")).await, 400, "VALIDATION_ERROR");
    }
    app.verify().await;
}

/// What was tipped in some days, all of it in cents (register 12), both days included.
#[tokio::test]
async fn the_tip_report() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let staff = Person::new(&app, "staff").await;
    tipped(&owner, 1000, 150).await;
    tipped(&staff, 1000, 201).await;
    tipped(&staff, 1000, 0).await;
    let back = tipped(&staff, 1000, 5000).await;
    owner.refund(&back, json!({})).await.expect(200);
    let first = today(&app);
    app.advance(24 * 3600).await;
    let owner = Person::new(&app, "superadmin").await;
    tipped(&owner, 500, 100).await;
    let second = today(&app);
    let query = format!("startDate={first}&endDate={second}");
    let told = owner.get(&format!("/tips/report?{query}")).await.expect(200);
    assert_exact_members(&told, "summary byStaff daily");
    // 451 in four orders: 112.75 each; of 3500 sold 12.885… percent.
    let summary = json!({"totalTips": 451, "orderCount": 4, "avgTipAmount": 113, "avgTipPercent": 12.89});
    assert_eq!(told["summary"], summary);
    let row = |role: &str, first: &str, last: &str, count: i64, tips: i64, average: i64| {
        json!({"userId": user(&app, role),
        "firstName": first, "lastName": last, "avatarUrl": null, "tipCount": count, "totalTips": tips, "avgTip": average})
    };
    let by_staff = told["byStaff"].as_array().unwrap();
    assert_eq!(by_staff[0], row("superadmin", "Sofia", "Reyes", 2, 250, 125));
    assert_eq!(
        (&by_staff[1]["totalTips"], &by_staff[1]["tipCount"], &by_staff[1]["avgTip"]),
        (&json!(201), &json!(1), &json!(201))
    );
    let daily = json!([{"date": first, "totalTips": 351, "orderCount": 3}, {"date": second, "totalTips": 100, "orderCount": 1}]);
    assert_eq!(told["daily"], daily);
    let day = owner.get(&format!("/tips/report?startDate={second}&endDate={second}")).await.expect(200);
    assert_eq!(day["summary"]["totalTips"], 100);
    let none = owner.get("/tips/report?startDate=2026-01-01&endDate=2026-01-01").await.expect(200);
    assert_eq!(none["summary"], json!({"totalTips": 0, "orderCount": 0, "avgTipAmount": 0, "avgTipPercent": 0.0}));

    let staff = owner.get(&format!("/tips/staff?{query}")).await.expect(200);
    let rows = staff.as_array().unwrap();
    rows.iter().for_each(|row| assert_exact_members(row, "userId firstName lastName avatarUrl totalTips"));
    let tips: Vec<(&str, i64)> =
        rows.iter().map(|row| (row["userId"].as_str().unwrap(), int(row, "/totalTips"))).collect();
    assert_eq!(tips[..2], [(&*user(&app, "superadmin"), 250), (&*user(&app, "staff"), 201)]);
    assert!(tips.contains(&(&*user(&app, "admin"), 0)), "those who may share, too");
    for path in ["/tips/report", "/tips/staff"] {
        invalid(owner.get(path).await, "startDate");
        invalid(owner.get(&format!("{path}?startDate={first}")).await, "endDate");
        invalid(owner.get(&format!("{path}?startDate=x&endDate={first}")).await, "startDate");
        refused(Person::new(&app, "staff").await.get(&format!("{path}?{query}")).await, 403, "FORBIDDEN");
    }
}
