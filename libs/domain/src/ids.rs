//! Identifiers. Each entity has its own type, so that one cannot stand where another is meant.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// An id from 16 random bytes (UUID version 4).
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// A tenant: an organizer, a restaurant, a shop.
    OrgId
);
id!(
    /// A person who signs in; the same as the Cognito `sub`.
    UserId
);
id!(
    /// An event that sells tickets.
    EventId
);
id!(
    /// A ticket tier of an event; also the id of its stock keeper.
    TierId
);
id!(
    /// A gallery of photographs.
    GalleryId
);
id!(
    /// One picture of a gallery.
    ImageId
);
id!(
    /// A catalog of the counter: what is sold at one place or event.
    CatalogId
);
id!(
    /// A category of a catalog.
    CategoryId
);
id!(
    /// A product of an organization's library.
    ProductId
);
id!(
    /// A product as a catalog sells it, with its price.
    CatalogProductId
);
id!(
    /// A buyer whom an organization knows by e-mail.
    CustomerId
);
id!(
    /// A tip pool.
    PoolId
);
id!(
    /// A revenue split of a catalog.
    SplitId
);
id!(
    /// An organization's own endpoint for events.
    EndpointId
);
id!(
    /// A report.
    ReportId
);
