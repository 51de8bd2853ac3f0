"""Answers that end a request, with upstream's codes, messages and HTTP statuses.

Where each was seen stands in README.md; the body is shaped as the API's.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, code: str, message: str, status: int = 400, detail: dict[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.detail = detail

    def body(self, request_id: str, host: str) -> dict[str, Any]:
        recommend = f"https://api.aliyun.com/troubleshoot?q={self.code}&product=Alidns&requestId={request_id}"
        found: dict[str, Any] = {"RequestId": request_id, "HostId": host, "Code": self.code, "Message": self.message}
        found["Recommend"] = recommend
        if self.detail is not None:
            found["AccessDeniedDetail"] = self.detail
        return found


# What a test may ask for by code alone, as the next answer of an action: what the service says when it is busy.
BUSY = {
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    "InternalError": (500, "The request processing has failed due to some unknown error."),
    "LastOperationNotFinished": (
        400,
        "You can’t finish this operation because the last operation has not been finished.",
    ),
}


def busy(code: str) -> ApiError:
    status, message = BUSY[code]
    return ApiError(code, message, status)


def unsupported(action: str, what: str = "") -> ApiError:
    """Upstream could do this; the stand-in does not."""
    subject = f"{what} of {action}" if what else f"the action {action or '(none)'}"
    return ApiError("StandIn.Unsupported", f"The lab's stand-in for Alidns does not support {subject}.")


def missing(parameter: str) -> ApiError:
    return ApiError(f"Missing{parameter}", f"{parameter} is mandatory for this action.")


def invalid(parameter: str) -> ApiError:
    return ApiError("InvalidParameter", f"Specified parameter {parameter} is not valid.")


def no_domain() -> ApiError:
    """Nobody has the domain at Alibaba."""
    return ApiError(
        "InvalidDomainName.NoExist", "The specified domain name does not exist. Refresh the page and try again."
    )


def others_domain() -> ApiError:
    """Another account has it."""
    return ApiError(
        "IncorrectDomainUser",
        "The domain name belongs to other users. Transfer the domain name to the current user and then try the "
        "binding and setting actions.",
    )


def no_record() -> ApiError:
    """No such record, or another account's: the answer is the same."""
    return ApiError("DomainRecordNotBelongToUser", "The DNS record does not exist in your account.")


def duplicate() -> ApiError:
    return ApiError("DomainRecordDuplicate", "The DNS record already exists.")


def conflict() -> ApiError:
    return ApiError("DomainRecordConflict", "The DNS record conflicts with other DNS records.")


def bad_value() -> ApiError:
    return ApiError("SubDomainInvalid.Value", "The DNS record is invalid or in the wrong format.")


def ttl(least: int) -> ApiError:
    return ApiError(
        "QuotaExceeded.TTL", f"The specified TTL is invalid. A valid TTL must be in the range of {least} to 86400."
    )


def forbidden(action: str, owner: str, explicit: bool) -> ApiError:
    """The key's policy does not allow the action on this resource."""
    detail = {
        "AuthAction": f"alidns:{action}",
        "AuthPrincipalType": "SubUser",
        "AuthPrincipalOwnerId": owner,
        "NoPermissionType": "ExplicitDeny" if explicit else "ImplicitDeny",
    }
    return ApiError(
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
        detail=detail,
    )
