//! Receipts at the counter: whose order it is, and the e-mail to them.

use domain::{
    ids::OrgId,
    mail::Mail,
    pos::order::{Order, OrderId},
};
use uuid::Uuid;

use super::{Pos, keys};
use crate::{error::StoreError, item::text, list::Range, tx::TxError};

/// What the sort keys of an order's receipts begin with.
const RECEIPTS: &str = "MAIL#receipt#";

impl Pos<'_> {
    /// The names of an order's receipts so far, `limit` at most, as they are now.
    pub async fn list_receipts(&self, org: OrgId, order: OrderId, limit: usize) -> Result<Vec<Uuid>, StoreError> {
        let (from, to) = (Some(RECEIPTS.to_owned()), Some(format!("{RECEIPTS}~")));
        let range = Range { pk: keys::pos_order(org, order), from, to, consistent: true, limit, ..Range::default() };
        let rows = self.0.query(range).await?;
        Ok(rows.iter().filter_map(|row| text(row, "sk")?.strip_prefix(RECEIPTS)?.parse().ok()).collect())
    }

    /// Writes whose order it is (the step is [`Order::edit`]) and the receipt's e-mail: one transaction (invariant 5). `Stale`
    /// when the order changed, or another receipt has the e-mail's name.
    pub async fn send_receipt(&self, before: &Order, after: &Order, mail: &Mail) -> Result<(), StoreError> {
        let tx = self.0.tx().save_order(before, after)?.queue_mail(mail)?;
        tx.commit().await.map_err(TxError::stale)
    }
}
