//! Receipts at the counter: whose order it is, and the e-mail to them.

use domain::{mail::Mail, pos::order::Order};

use super::Pos;
use crate::{error::StoreError, tx::TxError};

impl Pos<'_> {
    /// Writes whose order it is (the step is [`Order::edit`]) and the receipt's e-mail: one transaction (invariant 5). `Stale`
    /// when the order changed.
    pub async fn send_receipt(&self, before: &Order, after: &Order, mail: &Mail) -> Result<(), StoreError> {
        let tx = self.0.tx().save_order(before, after)?.queue_mail(mail)?;
        tx.commit().await.map_err(TxError::stale)
    }
}
