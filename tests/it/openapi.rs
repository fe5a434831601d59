//! The description that is served is the one that the code gives.

use crate::app::App;

#[tokio::test]
async fn the_served_description_is_up_to_date() {
    let app = App::start().await;
    let served = app.get("/openapi.json").send().await.expect(200);
    let generated = serde_json::to_value(local::openapi()).unwrap();
    assert!(served == generated, "run `cargo run -- openapi > functions/platform/meta/openapi.json`");
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    let docs = app.get("/docs").send().await;
    assert_eq!(docs.status, 200);
    let page = docs.body.as_str().unwrap().to_owned();
    assert!(!page.contains("https://") && !page.contains("http://"), "works without a network");
}
