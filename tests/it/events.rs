//! The sample events are what the functions understand: each is invoked, and none ends in an error.

use std::{fs, path::Path};

use serde_json::Value;

use crate::app::App;

#[tokio::test]
async fn every_sample_event_is_handled() {
    let app = App::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut count = 0;
    for function in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let name = function.file_name().unwrap().to_str().unwrap().to_owned();
        for case in fs::read_dir(&function).unwrap().map(|entry| entry.unwrap().path()) {
            let event: Value = serde_json::from_str(&fs::read_to_string(&case).unwrap()).unwrap();
            let answer = app.cloud.invoke(&name, event).await;
            let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", case.display()));
            let status = answer["statusCode"].as_u64().unwrap_or(200);
            assert!(status < 500, "{}: {answer}", case.display());
            count += 1;
        }
    }
    assert!(count >= 12, "each function has a sample");
}
