//! What the published mapping says of each event, in its order.

/// What stands behind the event's name in `type`.
#[derive(Clone, Copy)]
pub(super) enum Suffix {
    None,
    /// The texts at these places, each after a dot.
    Of(&'static [&'static str]),
}

/// What `source` is made of.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// A member.
    At(&'static str),
    /// Two members with a slash between them.
    Joined(&'static str, &'static str),
    /// A member without its last segment.
    Parent(&'static str),
    /// This text.
    Text(&'static str),
}

/// What `time` is made of; where it is nothing, "current time".
#[derive(Clone, Copy)]
pub(super) enum Time {
    Now,
    /// The first of these that is there.
    At(&'static [&'static str]),
    /// The member of the release that goes with the action.
    OfAction,
}

/// A section of the mapping.
pub(super) struct Row {
    /// The value of `X-GitHub-Event`.
    pub(super) event: &'static str,
    /// The name in `type`.
    pub(super) name: &'static str,
    pub(super) suffix: Suffix,
    pub(super) source: Source,
    pub(super) subject: &'static str,
    pub(super) time: Time,
}

const REPOSITORY: Source = Source::At("/repository/url");
const OWNER: Source = Source::At("/repository/owner/url");
const ACTION: Suffix = Suffix::Of(&["/action"]);
const NONE: &str = "";

const fn row(
    event: &'static str,
    suffix: Suffix,
    source: Source,
    subject: &'static str,
    time: Time,
) -> Row {
    named(event, event, suffix, source, subject, time)
}

const fn named(
    event: &'static str,
    name: &'static str,
    suffix: Suffix,
    source: Source,
    subject: &'static str,
    time: Time,
) -> Row {
    Row {
        event,
        name,
        suffix,
        source,
        subject,
        time,
    }
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row("check_run", ACTION, REPOSITORY, "/check_run/id", Time::At(&["/check_run/completed_at", "/check_run/started_at"])),
    row("check_suite", ACTION, REPOSITORY, "/check_suite/id", Time::At(&["/check_suite/updated_at"])),
    row("commit_comment", ACTION, Source::Joined("/comment/url", "/comment/commit_id"), "/comment/id", Time::At(&["/comment/updated_at"])),
    row("content_reference", ACTION, REPOSITORY, "/content_reference/id", Time::Now),
    row("create", Suffix::Of(&["/ref_type"]), REPOSITORY, "/ref", Time::Now),
    row("delete", Suffix::Of(&["/ref_type"]), REPOSITORY, "/ref", Time::Now),
    row("deploy_key", ACTION, REPOSITORY, "/key/id", Time::At(&["/key/deleted_at", "/key/created_at"])),
    row("deployment", Suffix::None, REPOSITORY, "/deployment/id", Time::At(&["/deployment/updated_at"])),
    row("deployment_status", Suffix::Of(&["/deployment_status/state"]), Source::At("/deployment/url"), "/deployment_status/url", Time::At(&["/deployment_status/updated_at"])),
    row("fork", Suffix::None, REPOSITORY, "/forkee/url", Time::At(&["/forkee/created_at"])),
    row("github_app_authorization", Suffix::None, Source::At("/sender/url"), NONE, Time::Now),
    row("gollum", Suffix::None, REPOSITORY, NONE, Time::Now),
    row("installation", ACTION, Source::At("/installation/account/url"), "/installation/id", Time::At(&["/installation/updated_at"])),
    named("installation_repositories", "installation_repository", ACTION, Source::At("/installation/account/url"), "/installation/id", Time::At(&["/installation/updated_at"])),
    row("issue_comment", ACTION, Source::At("/issue/url"), "/comment/id", Time::At(&["/comment/updated_at"])),
    named("issues", "issue", ACTION, REPOSITORY, "/issue/number", Time::At(&["/issue/updated_at"])),
    row("label", ACTION, REPOSITORY, "/label/name", Time::Now),
    row("marketplace_purchase", ACTION, Source::Parent("/sender/url"), "/marketplace_purchase/account/login", Time::At(&["/effective_date"])),
    row("member", ACTION, REPOSITORY, "/member/login", Time::Now),
    row("membership", Suffix::Of(&["/scope", "/action"]), Source::At("/team/url"), "/member/login", Time::Now),
    row("meta", ACTION, REPOSITORY, "/hook_id", Time::At(&["/hook/updated_at"])),
    row("milestone", ACTION, REPOSITORY, "/milestone/number", Time::At(&["/milestone/updated_at"])),
    row("organization", ACTION, Source::At("/organization/url"), "/membership/user/login", Time::Now),
    row("org_block", ACTION, Source::At("/organization/url"), "/blocked_user/login", Time::Now),
    row("page_build", Suffix::None, REPOSITORY, "/build/url", Time::At(&["/pusher/updated_at"])),
    row("project_card", ACTION, REPOSITORY, "/project_card/id", Time::At(&["/project_card/updated_at"])),
    row("project_column", ACTION, REPOSITORY, "/project_column/id", Time::At(&["/project_column/updated_at"])),
    row("project", ACTION, REPOSITORY, "/project/id", Time::At(&["/project/updated_at"])),
    row("public", Suffix::None, OWNER, "/repository/name", Time::At(&["/repository/updated_at"])),
    row("pull_request", ACTION, REPOSITORY, "/number", Time::At(&["/pull_request/updated_at"])),
    row("pull_request_review", ACTION, Source::At("/pull_request/url"), "/review/id", Time::At(&["/review/submitted_at"])),
    row("pull_request_review_comment", ACTION, Source::At("/pull_request/url"), "/comment/id", Time::At(&["/pull_request/updated_at"])),
    row("push", Suffix::None, REPOSITORY, "/ref", Time::Now),
    row("registry_package", ACTION, REPOSITORY, "/registry_package/html_url", Time::At(&["/registry_package/updated_at"])),
    row("release", ACTION, REPOSITORY, "/release/id", Time::OfAction),
    row("repository", ACTION, OWNER, "/repository/name", Time::At(&["/repository/updated_at"])),
    row("repository_import", Suffix::None, OWNER, "/repository/name", Time::At(&["/repository/updated_at"])),
    row("repository_vulnerability_alert", ACTION, REPOSITORY, "/alert/id", Time::Now),
    row("security_advisory", ACTION, Source::Text("github.com"), "/security_advisory/ghsa_id", Time::At(&["/security_advisory/updated_at"])),
    row("star", ACTION, REPOSITORY, NONE, Time::At(&["/starred_at"])),
    row("status", Suffix::Of(&["/state"]), REPOSITORY, "/sha", Time::At(&["/updated_at"])),
    row("team", ACTION, REPOSITORY, "/team/id", Time::At(&["/updated_at"])),
    row("team_add", ACTION, REPOSITORY, "/team/id", Time::Now),
    row("watch", ACTION, REPOSITORY, NONE, Time::Now),
];

/// Events that the mapping does not have.
pub(super) const OTHER: Row = row("", ACTION, REPOSITORY, NONE, Time::Now);
