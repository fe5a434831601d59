//! Bugs planted into what goes over the wire: each takes away one thing that the store relies on.

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Stock is taken whether it is there or not.
    FreeStock,
    /// Whoever comes is let in.
    OpenGate,
    /// A transaction that is sent again is another one.
    TokenLost,
    /// E-mails are not written with what causes them.
    MailForgotten,
    /// Stock is given back as often as somebody says so.
    FreeStatus,
    /// An order at the counter is written over whatever version there is.
    FreeVersion,
    /// A client's key is written as often as it comes.
    KeyForgotten,
    /// A card payment is anybody's.
    FreeIntent,
    /// A refund is applied to an order that has changed, or had it before.
    FreeRefund,
    /// A transfer of the ledger is posted as often as it is asked for.
    FreeTransfer,
    /// A pool is finalized whatever it has become.
    FreePool,
    /// What the newest notice of a store was is forgotten.
    NoticeForgotten,
}

impl Planted {
    /// The request as the bug makes it.
    pub(super) fn doctor(self, action: &str, mut body: Value) -> Value {
        match (self, action) {
            (Planted::TokenLost, "TransactWriteItems") => {
                body.as_object_mut().unwrap().remove("ClientRequestToken");
            }
            (Planted::MailForgotten, "TransactWriteItems") => {
                let actions = body["TransactItems"].as_array_mut().unwrap();
                actions.retain(|action| action["Put"]["Item"]["entity"]["S"] != "mail");
            }
            (Planted::FreeStock, "TransactWriteItems") => {
                for action in body["TransactItems"].as_array_mut().unwrap() {
                    let key = action["Update"]["Key"]["pk"]["S"].as_str().unwrap_or_default();
                    if key.starts_with("STOCK#") {
                        drop_condition(&mut action["Update"]);
                    }
                }
            }
            (Planted::FreeStatus, "TransactWriteItems") => {
                for action in body["TransactItems"].as_array_mut().unwrap() {
                    let key = action["Update"]["Key"]["pk"]["S"].as_str().unwrap_or_default();
                    if key.starts_with("ORDER#") {
                        drop_condition(&mut action["Update"]);
                    }
                }
            }
            (Planted::FreeVersion, "TransactWriteItems") => free_puts(&mut body, &["pos_order"]),
            (Planted::KeyForgotten, "TransactWriteItems") => free_puts(&mut body, &["request"]),
            (Planted::FreeIntent, "TransactWriteItems") => free_puts(&mut body, &["intent"]),
            (Planted::FreeTransfer, "TransactWriteItems") => free_puts(&mut body, &["ledger_entry"]),
            (Planted::FreePool, "TransactWriteItems") => free_puts(&mut body, &["tip_pool"]),
            (Planted::FreeRefund, "TransactWriteItems") if entities(&body).any(|entity| entity == "pos_refund") => {
                free_puts(&mut body, &["pos_order", "pos_refund"]);
            }
            (Planted::NoticeForgotten, "TransactWriteItems") => {
                for action in body["TransactItems"].as_array_mut().unwrap() {
                    if action["Put"]["Item"]["entity"]["S"] == "subscription" {
                        action["Put"]["Item"].as_object_mut().unwrap().remove("notice_at");
                    }
                }
            }
            (Planted::OpenGate, "UpdateItem")
                if body["UpdateExpression"].as_str().unwrap_or_default().contains("#checked_in_at") =>
            {
                drop_condition(&mut body);
            }
            _ => {}
        }
        body
    }
}

/// What a transaction puts.
fn entities(body: &Value) -> impl Iterator<Item = &str> {
    let actions = body["TransactItems"].as_array().into_iter().flatten();
    actions.filter_map(|action| action["Put"]["Item"]["entity"]["S"].as_str())
}

/// Takes the conditions away under which such items are put.
fn free_puts(body: &mut Value, entities: &[&str]) {
    for action in body["TransactItems"].as_array_mut().unwrap() {
        let entity = action["Put"]["Item"]["entity"]["S"].as_str().unwrap_or_default();
        if entities.contains(&entity) {
            let put = action["Put"].as_object_mut().unwrap();
            for name in ["ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"] {
                put.remove(name);
            }
        }
    }
}

/// Takes an update's condition away, with the names and values that only it uses.
fn drop_condition(update: &mut Value) {
    let update = update.as_object_mut().unwrap();
    update.remove("ConditionExpression");
    let expression = update["UpdateExpression"].as_str().unwrap().to_owned();
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_#:".contains(c);
    let words: Vec<&str> = expression.split(|c: char| !is_word(c)).collect();
    for used in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        if let Some(Value::Object(used)) = update.get_mut(used) {
            used.retain(|name, _| words.contains(&name.as_str()));
        }
    }
}
