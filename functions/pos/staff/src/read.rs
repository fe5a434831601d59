//! What several groups of routes read from a request and from the store.

use std::{collections::HashMap, ops::ControlFlow, str::FromStr};

use axum::extract::{FromRequestParts, Path};
use domain::{
    ids::{OrgId, UserId},
    member::Member,
    pos::{
        days::{Days, parse_day},
        order::{Order, Status},
    },
};
use garde::Validate;
use http::request::Parts;
use runtime::{ApiError, Ctx};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

/// How often a step is decided again when somebody was faster.
pub(crate) const ROUNDS: u8 = 6;

/// Two parameters of the path; `None` when either is not of its type, and so names nothing.
pub(crate) struct Ids<A, B>(pub(crate) Option<(A, B)>);

impl<A: FromStr, B: FromStr, S: Send + Sync> FromRequestParts<S> for Ids<A, B> {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let texts = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
        Ok(Ids(texts.and_then(|Path((a, b))| Some((a.parse().ok()?, b.parse().ok()?)))))
    }
}

/// From which day to which, in UTC, both included.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(crate) struct DaysQuery {
    /// `YYYY-MM-DD`.
    #[param(required, nullable = false, value_type = String, format = Date)]
    start_date: Option<String>,
    /// `YYYY-MM-DD`; at most 366 days in all.
    #[param(required, nullable = false, value_type = String, format = Date)]
    end_date: Option<String>,
}

impl DaysQuery {
    pub(crate) fn days(&self) -> Result<Days, ApiError> {
        days(self.start_date.as_deref(), self.end_date.as_deref())
    }
}

/// The days between two dates that a client wrote.
pub(crate) fn days(start: Option<&str>, end: Option<&str>) -> Result<Days, ApiError> {
    let day = |field, text: Option<&str>| {
        let text = text.ok_or_else(|| ApiError::invalid(field, "is required"))?;
        parse_day(text).ok_or_else(|| ApiError::invalid(field, "must be a date YYYY-MM-DD of the years 2000 to 2199"))
    };
    let (first, last) = (day("startDate", start)?, day("endDate", end)?);
    Days::new(first, last).map_err(|error| ApiError::invalid("endDate", error.to_string()))
}

/// For a field that can be cleared: absent is `None`, null is `Some(None)`.
pub(crate) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Adds up the completed orders that an organization made in these days.
pub(crate) async fn each_completed(
    ctx: &Ctx,
    org: OrgId,
    days: Days,
    mut add: impl FnMut(&Order),
) -> Result<(), ApiError> {
    let each = |order: Order| {
        add(&order);
        ControlFlow::Continue(())
    };
    Ok(ctx.store().pos().each_sale(org, days.begin(), days.end(), &[Status::Completed], each).await?)
}

/// The members of an organization, by id.
pub(crate) struct People(HashMap<UserId, Member>);

impl People {
    pub(crate) async fn load(ctx: &Ctx, org: OrgId) -> Result<Self, ApiError> {
        let members = ctx.store().list_members(org).await?;
        Ok(Self(members.into_iter().map(|member| (member.user, member)).collect()))
    }

    pub(crate) fn get(&self, user: UserId) -> Option<&Member> {
        self.0.get(&user)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.values()
    }

    /// First and last name, where they are known.
    pub(crate) fn names(&self, user: UserId) -> (Option<String>, Option<String>) {
        self.get(user).map_or((None, None), names)
    }

    /// Where their picture is.
    pub(crate) fn avatar_url(&self, ctx: &Ctx, user: UserId) -> Option<String> {
        self.get(user).and_then(|member| ctx.avatar_url(member))
    }
}

/// First and last name, where they are known.
pub(crate) fn names(member: &Member) -> (Option<String>, Option<String>) {
    let known = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let (first, last) = member.first_and_last_name();
    (known(first), known(last))
}
