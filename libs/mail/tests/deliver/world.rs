//! A deployment of one function: an embedded database, a mail server and a bucket that answer as they are told.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
};
use domain::{
    ids::OrgId,
    mail::{Mail, MailKey},
};
use mail::Delivery;
use runtime::{Aws, Ctx, Settings, clock::Clock, settings::SettingsError};
use serde_json::{Value, json};
use store::schema;

/// What the mail server was sent, and what it answers: success when nothing is left to answer.
#[derive(Clone, Default)]
pub struct Ses {
    sent: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
}

impl Ses {
    pub fn fail(&self, status: u16, code: &'static str) {
        self.answers.lock().unwrap().push_back((status, code));
    }

    /// Fails no more.
    pub fn recover(&self) {
        self.answers.lock().unwrap().clear();
    }

    async fn answer(self, body: String) -> impl IntoResponse {
        if let Some((status, code)) = self.answers.lock().unwrap().pop_front() {
            let mut headers = HeaderMap::new();
            headers.insert("x-amzn-errortype", code.parse().unwrap());
            let text = json!({"message": "Address ana@example.com is refused"});
            return (StatusCode::from_u16(status).unwrap(), headers, text.to_string());
        }
        self.sent.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        (StatusCode::OK, HeaderMap::new(), json!({"MessageId": "1"}).to_string())
    }

    pub fn sent(&self) -> Vec<Value> {
        self.sent.lock().unwrap().clone()
    }
}

/// What lies in the bucket, by path; one without an answer is not there.
#[derive(Clone, Default)]
pub struct Bucket(Arc<Mutex<HashMap<String, (u16, &'static str)>>>);

impl Bucket {
    pub fn set(&self, key: &str, status: u16, body: &'static str) {
        self.0.lock().unwrap().insert(format!("/fairground/{key}"), (status, body));
    }

    fn answer(&self, uri: &Uri) -> impl IntoResponse + use<> {
        let missing = (404, "<Error><Code>NoSuchKey</Code></Error>");
        let (status, body) = self.0.lock().unwrap().get(uri.path()).copied().unwrap_or(missing);
        (StatusCode::from_u16(status).unwrap(), body)
    }
}

pub struct World {
    pub ctx: Ctx,
    pub ses: Ses,
    pub bucket: Bucket,
}

async fn listen() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Sets whatever else must be set to one word.
fn complete(map: &mut HashMap<String, String>) -> Settings {
    loop {
        match Settings::from_map(map) {
            Ok(settings) => return settings,
            Err(SettingsError::Missing(name)) => drop(map.insert(name.to_owned(), "fairground".to_owned())),
            Err(error) => panic!("{error}"),
        }
    }
}

impl World {
    pub async fn new(mail_from: &str) -> World {
        let (database, database_url) = listen().await;
        tokio::spawn(dynoxide::server::serve_on(database, dynoxide::Database::memory().unwrap()));
        let ses = Ses::default();
        let (mails, mails_url) = listen().await;
        let server = ses.clone();
        let app = Router::new().fallback(move |body: String| server.clone().answer(body));
        tokio::spawn(async move { axum::serve(mails, app).await });
        let bucket = Bucket::default();
        let (files, files_url) = listen().await;
        let server = bucket.clone();
        let app = Router::new().fallback(move |uri: Uri| std::future::ready(server.answer(&uri)));
        tokio::spawn(async move { axum::serve(files, app).await });

        let mut map: HashMap<String, String> = [
            ("QR_KEYS".into(), format!("k1:{}", "ab".repeat(16))),
            ("TICKETS_ORG_ID".into(), OrgId::from_random([7; 16]).to_string()),
            ("MAIL_FROM".into(), mail_from.into()),
            ("AWS_ENDPOINT_URL_DYNAMODB".into(), database_url),
            ("AWS_ENDPOINT_URL_SESV2".into(), mails_url),
            ("AWS_ENDPOINT_URL_S3".into(), files_url),
            ("DASHBOARD_URL".into(), "https://portal.example.com".into()),
            ("SITE_URL".into(), "https://example.com".into()),
            ("AWS_ACCESS_KEY_ID".into(), "test".into()),
            ("AWS_SECRET_ACCESS_KEY".into(), "test".into()),
        ]
        .into();
        let settings = complete(&mut map);
        let ctx = Ctx::new(settings, Aws::from_map(&map), Clock::default()).unwrap();
        schema::create_table(ctx.store().client(), ctx.store().table()).await.unwrap();
        World { ctx, ses, bucket }
    }

    pub async fn attempt(&self, key: MailKey) -> Delivery {
        mail::attempt(&self.ctx, key).await.unwrap()
    }

    pub async fn row(&self, key: MailKey) -> Mail {
        self.ctx.store().load_mail(key).await.unwrap().unwrap()
    }
}
