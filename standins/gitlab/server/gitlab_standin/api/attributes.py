"""Attributes of groups and projects that the API keeps and shows: names, kinds, defaults.

Those with an effect here are read where the effect is; the others are about parts of GitLab that the stand-in does
not have (issues, wikis, …): they are kept and shown, so that a client finds what it set.
"""

from __future__ import annotations

from typing import Any

from gitlab_standin.errors import invalid
from gitlab_standin.parameters import Parameters

VISIBILITIES = ("private", "internal", "public")
_ACCESS = ("disabled", "private", "enabled")

Kind = type | tuple[str, ...]

GROUP: dict[str, tuple[Kind, Any]] = {
    "description": (str, ""),
    "visibility": (VISIBILITIES, "private"),
    "share_with_group_lock": (bool, False),
    "require_two_factor_authentication": (bool, False),
    "two_factor_grace_period": (int, 48),
    "project_creation_level": (("noone", "maintainer", "developer", "administrator", "owner"), "developer"),
    "auto_devops_enabled": (bool, None),
    "subgroup_creation_level": (("owner", "maintainer"), "maintainer"),
    "emails_enabled": (bool, True),
    "mentions_disabled": (bool, None),
    "lfs_enabled": (bool, True),
    "request_access_enabled": (bool, True),
    "default_branch": (str, None),
    "default_branch_protection": (int, 2),
    "shared_runners_setting": (
        ("enabled", "disabled_and_overridable", "disabled_and_unoverridable", "disabled_with_override"),
        "enabled",
    ),
    "wiki_access_level": (_ACCESS, "enabled"),
    "math_rendering_limits_enabled": (bool, True),
    "lock_math_rendering_limits_enabled": (bool, False),
    "max_artifacts_size": (int, None),
    "allow_merge_on_skipped_pipeline": (bool, False),
    "only_allow_merge_if_pipeline_succeeds": (bool, False),
    "only_allow_merge_if_all_discussions_are_resolved": (bool, False),
    "membership_lock": (bool, False),
    "prevent_forking_outside_group": (bool, None),
    "prevent_sharing_groups_outside_hierarchy": (bool, False),
}

PROJECT: dict[str, tuple[Kind, Any]] = {
    "description": (str, None),
    "visibility": (VISIBILITIES, "private"),
    "topics": (list, []),
    "archived": (bool, False),
    "issues_enabled": (bool, True),
    "merge_requests_enabled": (bool, True),
    "wiki_enabled": (bool, True),
    "jobs_enabled": (bool, True),
    "snippets_enabled": (bool, True),
    "container_registry_enabled": (bool, True),
    "service_desk_enabled": (bool, False),
    "can_create_merge_request_in": (bool, True),
    "emails_enabled": (bool, True),
    "emails_disabled": (bool, False),
    "shared_runners_enabled": (bool, True),
    "group_runners_enabled": (bool, True),
    "lfs_enabled": (bool, True),
    "public_jobs": (bool, True),
    "build_timeout": (int, 3600),
    "build_git_strategy": (("fetch", "clone"), "fetch"),
    "auto_cancel_pending_pipelines": (("enabled", "disabled"), "enabled"),
    "ci_config_path": (str, None),
    "ci_default_git_depth": (int, 20),
    "ci_delete_pipelines_in_seconds": (int, None),
    "ci_display_pipeline_variables": (bool, False),
    "ci_forward_deployment_enabled": (bool, True),
    "ci_forward_deployment_rollback_allowed": (bool, True),
    "ci_allow_fork_pipelines_to_run_in_parent_project": (bool, True),
    "ci_id_token_sub_claim_components": (list, ["project_path", "ref_type", "ref"]),
    "ci_separated_caches": (bool, True),
    "ci_job_token_scope_enabled": (bool, False),
    "ci_push_repository_for_job_token_allowed": (bool, False),
    "ci_pipeline_variables_minimum_override_role": (
        ("no_one_allowed", "developer", "maintainer", "owner"),
        "developer",
    ),
    "ci_restrict_pipeline_cancellation_role": (("developer", "maintainer", "no one"), "developer"),
    "runner_token_expiration_interval": (int, None),
    "resource_group_default_process_mode": (("unordered", "oldest_first", "newest_first"), "unordered"),
    "auto_devops_enabled": (bool, True),
    "auto_devops_deploy_strategy": (("continuous", "manual", "timed_incremental"), "continuous"),
    "autoclose_referenced_issues": (bool, True),
    "keep_latest_artifact": (bool, True),
    "max_artifacts_size": (int, None),
    "merge_method": (("merge", "rebase_merge", "ff"), "merge"),
    "squash_option": (("never", "always", "default_on", "default_off"), "default_off"),
    "request_access_enabled": (bool, True),
    "only_allow_merge_if_pipeline_succeeds": (bool, False),
    "only_allow_merge_if_all_discussions_are_resolved": (bool, False),
    "allow_merge_on_skipped_pipeline": (bool, False),
    "allow_pipeline_trigger_approve_deployment": (bool, False),
    "restrict_user_defined_variables": (bool, False),
    "printing_merge_request_link_enabled": (bool, True),
    "remove_source_branch_after_merge": (bool, True),
    "resolve_outdated_diff_discussions": (bool, False),
    "suggestion_commit_message": (str, None),
    "merge_commit_template": (str, None),
    "squash_commit_template": (str, None),
    "issue_branch_template": (str, None),
    "issues_template": (str, None),
    "merge_requests_template": (str, None),
    "packages_enabled": (bool, None),
    "warn_about_potentially_unwanted_characters": (bool, True),
    "enforce_auth_checks_on_uploads": (bool, True),
    "show_default_award_emojis": (bool, True),
    "mr_default_target_self": (bool, False),
    "protect_merge_request_pipelines": (bool, False),
    "external_authorization_classification_label": (str, ""),
    "monitor_access_level": (_ACCESS, "enabled"),
    "container_registry_access_level": (_ACCESS, "enabled"),
    "pages_access_level": ((*_ACCESS, "public"), "private"),
    "package_registry_access_level": ((*_ACCESS, "public"), "enabled"),
    **{
        f"{part}_access_level": (_ACCESS, "enabled")
        for part in (
            "issues repository merge_requests forking wiki builds snippets analytics releases environments "
            "feature_flags infrastructure model_experiments model_registry security_and_compliance"
        ).split()
    },
    "requirements_access_level": (_ACCESS, "enabled"),
}


def read(given: Parameters, known: dict[str, tuple[Kind, Any]]) -> dict[str, Any]:
    """The attributes that a request sets, converted and checked. Raises 400."""
    found: dict[str, Any] = {}
    for name in known.keys() & given.values.keys():
        kind = known[name][0]
        if given.values[name] is None:
            found[name] = None
        elif isinstance(kind, tuple):
            found[name] = given.choice(name, kind)
        elif kind is bool:
            found[name] = given.optional_boolean(name)
        elif kind is int:
            found[name] = given.integer(name)
        elif kind is list:
            found[name] = given.strings(name)
        else:
            found[name] = given.text(name)
        if found[name] is None and isinstance(kind, tuple):
            raise invalid(name)
    return found


def shown(kept: dict[str, Any], known: dict[str, tuple[Kind, Any]]) -> dict[str, Any]:
    """Every attribute with its value or default."""
    return {name: kept.get(name, default) for name, (_, default) in known.items()}
