//! The Lambda binary.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(workers_payouts::function())
}
