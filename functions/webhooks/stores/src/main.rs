//! The Lambda binary.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(webhooks_stores::function())
}
