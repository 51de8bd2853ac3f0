"""CI variables of projects, groups and the instance."""

from __future__ import annotations

import re
from typing import Any

from gitlab_standin import accounts
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, invalid, not_found
from gitlab_standin.site import Site

_PARAMETERS = (
    "key value variable_type protected masked masked_and_hidden hidden raw environment_scope description filter"
)
_MASKABLE = re.compile(r"[a-zA-Z0-9_+=/@:.~-]{8,}")
_MASKABLE_RAW = re.compile(r"\S{8,}")


def _place(context: Context, kind: str) -> dict[str, int | None]:
    if kind == "projects":
        return {"project_id": context.project(accounts.MAINTAINER)["id"], "namespace_id": None}
    if kind == "groups":
        return {"project_id": None, "namespace_id": context.group(accounts.OWNER)["id"]}
    context.admin()
    return {"project_id": None, "namespace_id": None}


def _rows(site: Site, place: dict[str, int | None]) -> list[Row]:
    return site.db.rows(
        "select * from ci_variables where project_id is ? and namespace_id is ? order by key, environment_scope",
        place["project_id"],
        place["namespace_id"],
    )


def _one(context: Context, place: dict[str, int | None]) -> Row:
    """The variable of the path; where a key has several, filter[environment_scope] says which."""
    found = [row for row in _rows(context.site, place) if row["key"] == context.segments["key"]]
    wanted = context.parameters.values.get("filter")
    if isinstance(wanted, dict) and "environment_scope" in wanted:
        found = [row for row in found if row["environment_scope"] == wanted["environment_scope"]]
    if not found:
        raise not_found("Variable")
    if len(found) > 1:
        message = "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'"
        raise ApiError(409, {"message": message})
    return found[0]


def _register(kind: str) -> None:
    base = "/admin/ci/variables" if kind == "admin" else f"/{kind}/:id/variables"

    @route("GET", base)
    def listing(context: Context) -> Any:
        return context.page(_rows(context.site, _place(context, kind)), lambda row: show(context.site, row))

    @route("GET", f"{base}/:key", "filter")
    def one(context: Context) -> dict[str, Any]:
        return show(context.site, _one(context, _place(context, kind)))

    @route("POST", base, _PARAMETERS)
    def create(context: Context) -> dict[str, Any]:
        place, given = _place(context, kind), context.parameters
        key = given.required("key")
        hidden = given.boolean("masked_and_hidden") or given.boolean("hidden")
        values: dict[str, Any] = {
            "value": given.text("value") or "",
            "variable_type": given.choice("variable_type", ("env_var", "file"), "env_var"),
            "protected": int(given.boolean("protected")),
            "masked": int(given.boolean("masked") or hidden),
            "hidden": int(hidden),
            "raw": int(given.boolean("raw")),
            "environment_scope": given.text("environment_scope") or "*",
            "description": given.text("description"),
        }
        if "value" not in given:
            raise ApiError(400, {"error": "value is missing"})
        _check(key, values, kind)
        for row in _rows(context.site, place):
            if row["key"] == key and row["environment_scope"] == values["environment_scope"]:
                raise bad_request({"key": [f"({key}) has already been taken"]})
        sealed = context.site.vault.encrypt(str(values.pop("value")))
        made = context.db.insert("ci_variables", key=key, value=sealed, **place, **values)
        kept = context.db.row("select * from ci_variables where id = ?", made)
        assert kept is not None
        return show(context.site, kept)

    @route("PUT", f"{base}/:key", _PARAMETERS)
    def update(context: Context) -> dict[str, Any]:
        place, given = _place(context, kind), context.parameters
        row = _one(context, place)
        if given.boolean("masked_and_hidden") and not row["hidden"]:
            raise bad_request({"hidden": ["The visibility setting cannot be changed after creation"]})
        values: dict[str, Any] = {
            "value": given.text("value") or "" if "value" in given else context.site.vault.decrypt(row["value"]),
            "variable_type": given.choice("variable_type", ("env_var", "file"), row["variable_type"]),
            "protected": int(given.boolean("protected", bool(row["protected"]))),
            "masked": int(given.boolean("masked", bool(row["masked"]))),
            "raw": int(given.boolean("raw", bool(row["raw"]))),
            "environment_scope": given.text("environment_scope", row["environment_scope"]),
            "description": given.text("description", row["description"]),
        }
        _check(row["key"], values, kind)
        for other in _rows(context.site, place):
            same = other["key"] == row["key"] and other["environment_scope"] == values["environment_scope"]
            if same and other["id"] != row["id"]:
                raise bad_request({"key": [f"({row['key']}) has already been taken"]})
        values["value"] = context.site.vault.encrypt(values["value"])
        context.db.update("ci_variables", row["id"], **values)
        return show(context.site, {**row, **values})

    @route("DELETE", f"{base}/:key", "filter")
    def delete(context: Context) -> None:
        row = _one(context, _place(context, kind))
        context.db.execute("delete from ci_variables where id = ?", row["id"])


def _check(key: str, values: dict[str, Any], kind: str) -> None:
    """GitLab's rules for keys and masked values. Raises 400."""
    if not re.fullmatch(r"[a-zA-Z0-9_]{1,255}", key):
        raise bad_request({"key": ["can contain only letters, digits and '_'."]})
    maskable = _MASKABLE_RAW if values["raw"] else _MASKABLE
    if values["masked"] and not maskable.fullmatch(values["value"]):
        raise bad_request({"value": ["is invalid"]})
    if len(values["value"]) > 10_000 and kind == "admin":
        raise bad_request({"value": ["is too long"]})
    scope = values["environment_scope"]
    if not re.fullmatch(r"[\w\-./*{} ]+", scope):
        raise invalid("environment_scope", "is invalid")
    if kind != "projects" and scope != "*":
        raise ApiError(400, {"error": "environment_scope: only projects have it in GitLab CE"})


def show(site: Site, row: Row) -> dict[str, Any]:
    return {
        "variable_type": row["variable_type"],
        "key": row["key"],
        "value": None if row["hidden"] else site.vault.decrypt(row["value"]),
        "hidden": bool(row["hidden"]),
        "protected": bool(row["protected"]),
        "masked": bool(row["masked"]),
        "raw": bool(row["raw"]),
        "environment_scope": row["environment_scope"],
        "description": row["description"],
    }


for _kind in ("projects", "groups", "admin"):
    _register(_kind)
