//! The Lambda binary of `platform-meta`.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(platform_meta::function())
}
