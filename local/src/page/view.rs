//! What the pages say, for `templates/control.html` and `templates/order.html` to say it.

use askama::Template;
use domain::time::iso;
use jiff::Timestamp;

use super::{PageState, QueueRow};
use crate::{
    aws::Mail,
    requests::Entry,
    seed::{DemoUser, Urls},
    template::model::{FunctionSpec, RouteSpec, SourceSpec},
};

/// Mails and requests on the page; `/_local` has all.
const MAILS_SHOWN: usize = 25;
const REQUESTS_SHOWN: usize = 40;

#[derive(Template)]
#[template(path = "control.html")]
struct ControlPage<'a> {
    urls: &'a Urls,
    curl_lines: Vec<String>,
    users: &'a [DemoUser],
    mails: Vec<MailRow>,
    has_mailbox: bool,
    queues: Vec<QueueRow>,
    requests: Vec<RequestRow>,
    functions: Vec<FunctionCard<'a>>,
    ahead: Option<String>,
}

struct MailRow {
    id: String,
    to: String,
    subject: String,
    sent_at: String,
    clock: String,
    attachments: Vec<String>,
}

struct RequestRow {
    id: String,
    time: String,
    clock: String,
    method: String,
    path: String,
    status: String,
    /// `good`, `warn` or `bad`.
    class: &'static str,
    ms: String,
    function: String,
}

struct FunctionCard<'a> {
    name: &'a str,
    routes: Vec<&'a RouteSpec>,
    sources: Vec<String>,
    is_scheduled: bool,
}

/// Where a buyer returns.
#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    number: &'a str,
}

/// The page of an order, which asks the API itself.
pub(super) fn order_page(number: &str) -> askama::Result<String> {
    OrderPage { number }.render()
}

/// The control page.
pub(super) fn control_page(state: &PageState) -> askama::Result<String> {
    let demo = state.demo.as_deref();
    let mails = state.mailbox.as_ref().map(|mailbox| mailbox.list()).unwrap_or_default();
    let ahead = state.ahead();
    ControlPage {
        urls: &state.urls,
        curl_lines: demo.map(|demo| demo.curl_lines().to_vec()).unwrap_or_default(),
        users: demo.map(|demo| demo.users.as_slice()).unwrap_or_default(),
        mails: mails.into_iter().take(MAILS_SHOWN).map(mail_row).collect(),
        has_mailbox: state.mailbox.is_some(),
        queues: state.queue_rows(),
        requests: state.requests.recent().into_iter().filter(is_shown).take(REQUESTS_SHOWN).map(request_row).collect(),
        functions: state.functions.iter().map(|function| function_card(function, &state.api.routes)).collect(),
        ahead: (!ahead.is_zero()).then(|| format!("{ahead:#}")),
    }
    .render()
}

fn mail_row(mail: Mail) -> MailRow {
    MailRow {
        clock: clock(mail.sent_at.parse().ok()),
        id: mail.id,
        to: mail.to,
        subject: mail.subject,
        sent_at: mail.sent_at,
        attachments: mail.attachments.into_iter().map(|attachment| attachment.name).collect(),
    }
}

/// The page's own requests are no news.
fn is_shown(entry: &Entry) -> bool {
    entry.path != "/" && !entry.path.starts_with("/_local")
}

fn request_row(entry: Entry) -> RequestRow {
    RequestRow {
        id: format!("{}-{}", entry.request_id, entry.time.as_millisecond()),
        time: iso(entry.time),
        clock: clock(Some(entry.time)),
        class: match entry.status {
            Some(500..) => "bad",
            Some(400..) => "warn",
            _ => "good",
        },
        status: entry.status.map_or_else(|| "–".to_owned(), |status| status.to_string()),
        method: entry.method,
        path: entry.path,
        ms: format!("{:.1}", entry.ms),
        function: entry.function.unwrap_or_else(|| "gateway".to_owned()),
    }
}

fn function_card<'a>(function: &'a FunctionSpec, routes: &'a [RouteSpec]) -> FunctionCard<'a> {
    let name_of = |arn: &str| arn.rsplit([':', '/']).next().unwrap_or(arn).to_owned();
    let source = |source: &SourceSpec| match source {
        SourceSpec::Queue(queue) => format!("queue {}", name_of(&queue.queue)),
        SourceSpec::Stream(_) => "the table's stream".to_owned(),
        SourceSpec::Schedule(schedule) => schedule.expression.clone(),
    };
    let mut routes: Vec<&RouteSpec> = routes.iter().filter(|route| route.function == function.name).collect();
    routes.sort_by_key(|route| (&route.path, &route.method));
    FunctionCard {
        name: &function.name,
        routes,
        sources: function.sources.iter().map(source).collect(),
        is_scheduled: function.sources.iter().any(|source| matches!(source, SourceSpec::Schedule(_))),
    }
}

/// Hours, minutes and seconds in UTC; the browser puts its own in their place.
fn clock(at: Option<Timestamp>) -> String {
    at.map(|at| at.strftime("%H:%M:%S").to_string()).unwrap_or_default()
}
