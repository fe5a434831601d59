//! Pictures of staff, as their managers set them (contract §11).

use axum::extract::State;
use domain::ids::UserId;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
    upload::{PictureForm, Upload},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::load_staff;

/// Where the picture is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaffAvatarOut {
    /// Another with each upload; null once it is removed.
    #[schema(required)]
    avatar_url: Option<String>,
    #[schema(required)]
    avatar_image_id: Option<String>,
}

/// Done.
#[derive(Serialize, ToSchema)]
pub(crate) struct StaffAvatarRemovedOut {
    /// Text for a person.
    message: &'static str,
}

/// Takes a picture of a member of staff, in place of the one before.
#[utoipa::path(post, path = "/pos/staff/{id}/avatar", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the member")),
    request_body(content = PictureForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Where it is", body = StaffAvatarOut),
        (status = 404, description = "`STAFF_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn upload_staff_avatar(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<UserId>,
    Upload(picture): Upload,
) -> Result<Json<StaffAvatarOut>, ApiError> {
    let member = load_staff(&ctx, manager.org, id).await?;
    let member = ctx.save_avatar(member, picture).await?;
    let avatar_url = ctx.avatar_url(&member);
    Ok(Json(StaffAvatarOut { avatar_url, avatar_image_id: member.avatar.map(|avatar| avatar.image_id) }))
}

/// Takes the picture of a member of staff away.
#[utoipa::path(delete, path = "/pos/staff/{id}/avatar", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the member")),
    responses(
        (status = 200, description = "Removed", body = StaffAvatarRemovedOut),
        (status = 404, description = "`STAFF_NOT_FOUND`; `AVATAR_NOT_FOUND`: there is none", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn delete_staff_avatar(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<UserId>,
) -> Result<Json<StaffAvatarRemovedOut>, ApiError> {
    let member = load_staff(&ctx, manager.org, id).await?;
    ctx.delete_avatar(member).await?;
    Ok(Json(StaffAvatarRemovedOut { message: "Avatar removed successfully" }))
}
