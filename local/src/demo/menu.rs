//! A menu for the counter of the demo data, made by its owner over the API, so that there is something to sell.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::http::{Api, text};

/// What the catalog sells: category, and name and price (cents) of what is in it.
const MENU: [(&str, &[(&str, i64)]); 3] = [
    ("Drinks", &[("Lemonade", 450), ("Root beer", 500), ("Coffee", 375)]),
    ("Food", &[("Pretzel", 600), ("Corn dog", 750), ("Candied apple", 525)]),
    ("Rides", &[("Ferris wheel", 800), ("Carousel", 500)]),
];

/// Makes sure that the organization of the demo data has a catalog. One that its people have made is as good.
pub async fn ensure_menu(url: &str) -> anyhow::Result<()> {
    let mut api = Api::new(url)?;
    let demo = api.get("/_local/demo").await?;
    sign_in(&mut api, &demo, "superadmin").await?;
    if api.get_as_staff("/pos/catalogs").await?.as_array().is_some_and(|catalogs| !catalogs.is_empty()) {
        return Ok(());
    }
    let catalog = create_menu(&api, "Midway").await?;
    // Staff see what they are assigned to.
    let listed = api.get_as_staff("/pos/staff").await?;
    for staff in listed["staff"].as_array().into_iter().flatten().filter(|staff| staff["role"] == "user") {
        let path = format!("/pos/staff/{}", text(staff, "/id")?);
        api.send_as_staff(Method::PATCH, &path, json!({ "catalogIds": [catalog] })).await?;
    }
    Ok(())
}

/// Signs somebody of the demo data in at the counter. From a browser: no phone is signed out for it.
pub(super) async fn sign_in(api: &mut Api, demo: &Value, role: &str) -> anyhow::Result<Value> {
    let users = demo["users"].as_array().into_iter().flatten();
    let user = users.filter(|user| user["org_id"] == demo["org_id"]).find(|user| user["role"] == role);
    let user = user.with_context(|| format!("the demo data has no {role}"))?;
    let sign_in = json!({ "email": user["email"], "password": user["password"], "source": "web" });
    let session = api.post("/pos/auth/login", sign_in).await?;
    api.token = Some(text(&session, "/tokens/accessToken")?);
    Ok(session)
}

/// Makes a catalog with all of [`MENU`], and tells its id.
pub(super) async fn create_menu(api: &Api, name: &str) -> anyhow::Result<String> {
    let make = async |path: &str, body: Value| -> anyhow::Result<String> {
        text(&api.send_as_staff(Method::POST, path, body).await?, "/id")
    };
    let settings = json!({ "name": name, "taxRate": 8.25, "location": "Between the wheel and the gate" });
    let catalog = make("/pos/catalogs", settings).await?;
    for (category, products) in MENU {
        let path = format!("/pos/catalogs/{catalog}/categories");
        let category = make(&path, json!({ "name": category })).await?;
        for (name, price) in products {
            let product = make("/pos/products", json!({ "name": name })).await?;
            let entry = json!({ "productId": product, "price": price, "categoryId": category });
            make(&format!("/pos/catalogs/{catalog}/products"), entry).await?;
        }
    }
    Ok(catalog)
}
