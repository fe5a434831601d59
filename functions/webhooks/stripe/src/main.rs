//! The Lambda binary of `webhooks-stripe`.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(webhooks_stripe::function())
}
