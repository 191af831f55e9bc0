"""Every setting of the service, read from the environment once at start and checked as a whole.

Not responsible for acting on them: `app` hands the values to the rooms, which never read the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource

from .checks import complaints
from .effective import Settings, declared_settings
from .kinds import is_loopback, split_listen, takes
from .reference import reference

__all__ = ["Settings", "SettingsError", "is_loopback", "load_settings", "reference", "split_listen"]

UNUSED_PREFIX = "SCRIPTGEN_"


class SettingsError(Exception):
    """The start is refused; the message is one line for the operator, without secrets."""


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read and check the environment (or `env`). Raises `SettingsError` with one line.

    An empty value counts as not set, except METRICS_LISTEN, where it turns the endpoint off.
    """
    variables = {name.upper(): value for name, value in (os.environ if env is None else env).items()}
    unknown = sorted(name for name in variables if name.startswith(UNUSED_PREFIX))
    if unknown:
        raise SettingsError(
            f"{', '.join(unknown)}: unknown setting: none starts with {UNUSED_PREFIX} "
            "(`scriptgen config` lists all)"
        )
    source = EnvSettingsSource(Settings, case_sensitive=False)
    source.env_vars = {
        name.lower(): value for name, value in variables.items() if value.strip() or name == "METRICS_LISTEN"
    }
    try:
        settings = Settings(**source())
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None
    complaint = next(complaints(settings), None)
    if complaint is not None:
        raise SettingsError(complaint)
    return settings


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    info = declared_settings()[name]
    secret = info.annotation is SecretStr
    got = "a value that is not shown" if secret else repr(first["input"])
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{name.upper()}: got {got}, takes {takes(info)}{others}"
