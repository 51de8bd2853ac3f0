"""Secret outputs, typed."""

from __future__ import annotations

from typing import TypeVar, overload

import pulumi

T = TypeVar("T")


@overload
def secret(value: pulumi.Output[T]) -> pulumi.Output[T]: ...
@overload
def secret(value: T) -> pulumi.Output[T]: ...
def secret(value: pulumi.Output[T] | T) -> pulumi.Output[T]:
    """`value`, marked as secret: `pulumi.Output.secret`, from whose annotation no type can be inferred."""
    marked: pulumi.Output[T] = pulumi.Output.secret(value)
    return marked
