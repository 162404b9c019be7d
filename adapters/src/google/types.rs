//! What the published mapping says of each event type.

/// A Google event type, and what becomes of it.
pub(super) const TYPES: [(&str, &str, Shape); 20] = {
    use Shape::{Analytics, Auth, Database, Firestore, Plain, PubSub, Storage};
    [
        (
            "google.pubsub.topic.publish",
            "google.cloud.pubsub.topic.v1.messagePublished",
            PubSub,
        ),
        (
            "providers/cloud.pubsub/eventTypes/topic.publish",
            "google.cloud.pubsub.topic.v1.messagePublished",
            PubSub,
        ),
        (
            "google.storage.object.finalize",
            "google.cloud.storage.object.v1.finalized",
            Storage,
        ),
        (
            "google.storage.object.delete",
            "google.cloud.storage.object.v1.deleted",
            Storage,
        ),
        (
            "google.storage.object.archive",
            "google.cloud.storage.object.v1.archived",
            Storage,
        ),
        (
            "google.storage.object.metadataUpdate",
            "google.cloud.storage.object.v1.metadataUpdated",
            Storage,
        ),
        (
            "providers/cloud.storage/eventTypes/object.change",
            "google.cloud.storage.object.v1.changed",
            Storage,
        ),
        (
            "providers/cloud.firestore/eventTypes/document.write",
            "google.cloud.firestore.document.v1.written",
            Firestore,
        ),
        (
            "providers/cloud.firestore/eventTypes/document.create",
            "google.cloud.firestore.document.v1.created",
            Firestore,
        ),
        (
            "providers/cloud.firestore/eventTypes/document.update",
            "google.cloud.firestore.document.v1.updated",
            Firestore,
        ),
        (
            "providers/cloud.firestore/eventTypes/document.delete",
            "google.cloud.firestore.document.v1.deleted",
            Firestore,
        ),
        (
            "providers/firebase.auth/eventTypes/user.create",
            "google.firebase.auth.user.v1.created",
            Auth,
        ),
        (
            "providers/firebase.auth/eventTypes/user.delete",
            "google.firebase.auth.user.v1.deleted",
            Auth,
        ),
        (
            "providers/firebase.remoteConfig/remoteconfig.update",
            "google.firebase.remoteconfig.remoteConfig.v1.updated",
            Plain,
        ),
        (
            "google.firebase.remoteconfig.update",
            "google.firebase.remoteconfig.remoteConfig.v1.updated",
            Plain,
        ),
        (
            "providers/google.firebase.analytics/eventTypes/event.log",
            "google.firebase.analytics.log.v1.written",
            Analytics,
        ),
        (
            "providers/google.firebase.database/eventTypes/ref.create",
            "google.firebase.database.ref.v1.created",
            Database,
        ),
        (
            "providers/google.firebase.database/eventTypes/ref.write",
            "google.firebase.database.ref.v1.written",
            Database,
        ),
        (
            "providers/google.firebase.database/eventTypes/ref.update",
            "google.firebase.database.ref.v1.updated",
            Database,
        ),
        (
            "providers/google.firebase.database/eventTypes/ref.delete",
            "google.firebase.database.ref.v1.deleted",
            Database,
        ),
    ]
};

/// The service of an event that does not name it, by the start of its type.
pub(super) const SERVICES: [(&str, &str); 7] = [
    ("providers/cloud.firestore/", "firestore.googleapis.com"),
    (
        "providers/google.firebase.analytics/",
        "firebaseanalytics.googleapis.com",
    ),
    ("providers/firebase.auth/", "firebaseauth.googleapis.com"),
    (
        "providers/firebase.remoteConfig/",
        "firebaseremoteconfig.googleapis.com",
    ),
    (
        "providers/google.firebase.database/",
        "firebasedatabase.googleapis.com",
    ),
    ("providers/cloud.pubsub/", "pubsub.googleapis.com"),
    ("providers/cloud.storage/", "storage.googleapis.com"),
];

/// How the resource's name is divided, and what is done with the data.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Plain,
    PubSub,
    Storage,
    Firestore,
    Auth,
    Analytics,
    Database,
}
