//! The Lambda binary.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(pos_orders::function())
}
