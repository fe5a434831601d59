//! The Lambda binary.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(platform_authorizer::function())
}
