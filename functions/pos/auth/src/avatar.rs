//! One's own picture (contract §2).

use axum::extract::State;
use runtime::{
    ApiError, Ctx, Json,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
    upload::{PictureForm, Upload},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{MessageOut, message};

/// Where the picture is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AvatarOut {
    /// Another with each upload.
    #[schema(required)]
    avatar_url: Option<String>,
    #[schema(required)]
    avatar_image_id: Option<String>,
}

/// Takes a picture of oneself, in place of the one before.
#[utoipa::path(post, path = "/pos/auth/avatar", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    request_body(content = PictureForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Where it is", body = AvatarOut),
        (status = 404, description = "`USER_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn upload_avatar(
    State(ctx): State<Ctx>,
    user: User,
    Upload(picture): Upload,
) -> Result<Json<AvatarOut>, ApiError> {
    let member = ctx.save_avatar(user.member, picture).await?;
    let avatar_url = ctx.avatar_url(&member);
    Ok(Json(AvatarOut { avatar_url, avatar_image_id: member.avatar.map(|avatar| avatar.image_id) }))
}

/// Takes one's picture away.
#[utoipa::path(delete, path = "/pos/auth/avatar", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses(
        (status = 200, description = "Removed", body = MessageOut),
        (status = 404, description = "`AVATAR_NOT_FOUND`: there is none", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn delete_avatar(State(ctx): State<Ctx>, user: User) -> Result<Json<MessageOut>, ApiError> {
    ctx.delete_avatar(user.member).await?;
    Ok(message("Avatar removed successfully"))
}
