//! The Lambda binary.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(workers_webhooks::function())
}
