//! Invariant 7: nothing secret lies in the table, and each ticket's hash is of its own secret.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    link::{LinkPurpose, LinkSecret},
    mail::MailKey,
    tickets::secret::TicketSecret,
};

use super::{Item, Options, Report, Table, text};

/// Names that no attribute has: what they would hold is never stored.
const FORBIDDEN: [&str; 8] = ["password", "token", "pin", "secret", "qr", "qr_code", "access_token", "refresh_token"];

/// Length of a ticket's secret, in hex characters.
const SECRET: usize = 32;

pub(super) fn check(items: &[Item], table: &Table<'_>, options: &Options, report: &mut Report) {
    let mut plain = HashSet::new();
    for (number, order) in &table.orders {
        let Some(keys) = &options.keys else { break };
        let entity = format!("ORDER#{number}");
        let Some(secret) = TicketSecret::derive(keys, &order.order.key_id, *number, order.order.revision) else {
            report.violation(7, entity, format!("its key {:?} is not known", order.order.key_id));
            continue;
        };
        let listed = (text(order.item, "gsi2pk"), text(order.item, "gsi2sk"));
        if listed != (format!("QR#{}", secret.hash().0).as_str(), number.to_string().as_str()) {
            report.violation(7, entity, "is not found by its ticket's secret");
        }
        plain.insert(secret.reveal().to_owned());
    }
    for mail in table.mails.values().map(|item| &item.mail) {
        let (purpose, id) = match mail.key {
            MailKey::PasswordReset { id, .. } => (LinkPurpose::PasswordReset, id),
            MailKey::Invitation { id, .. } => (LinkPurpose::Invitation, id),
            _ => continue,
        };
        let Some((keys, key_id)) = options.keys.as_ref().zip(mail.link_key.as_deref()) else { continue };
        let secret = LinkSecret::derive(keys, key_id, purpose, id);
        // Half of it gives it away.
        plain.extend(secret.map(|secret| secret.reveal()[..SECRET].to_uppercase()));
    }
    for item in items {
        let entity = || format!("{} {}", text(item, "pk"), text(item, "sk"));
        for (name, value) in item {
            if FORBIDDEN.contains(&name.to_lowercase().as_str()) {
                report.violation(7, entity(), format!("has an attribute {name}"));
            }
            if !plain.is_empty() && reveals(value, &plain) {
                report.violation(7, entity(), format!("a secret stands in {name}"));
            }
        }
    }
}

/// Does one of the secrets stand anywhere in a value?
fn reveals(value: &AttributeValue, plain: &HashSet<String>) -> bool {
    match value {
        AttributeValue::S(text) => stands_in(text, plain),
        AttributeValue::Ss(texts) => texts.iter().any(|text| stands_in(text, plain)),
        AttributeValue::L(values) => values.iter().any(|value| reveals(value, plain)),
        AttributeValue::M(values) => values.values().any(|value| reveals(value, plain)),
        _ => false,
    }
}

/// Looks at every 32 hex characters in a row, in either case.
fn stands_in(text: &str, plain: &HashSet<String>) -> bool {
    text.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= SECRET).any(|run| {
        let run = run.to_ascii_uppercase();
        (0..=run.len() - SECRET).any(|start| plain.contains(&run[start..start + SECRET]))
    })
}
