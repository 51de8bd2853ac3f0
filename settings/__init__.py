"""The settings of a stack: typed, with their defaults, validated before the first resource.

`settings.load.load()` is what the program calls; `parse()` is the same without Pulumi, for tests. A concern's section
is imported from its own module.
"""

from settings.stack import SettingsError, Stack, parse

__all__ = ["SettingsError", "Stack", "parse"]
