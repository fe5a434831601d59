//! The Lambda binary.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(tickets_admin::function())
}
