"""The settings of a command on a laptop, where nothing but `func` or `devhost` reads local.settings.json."""

import json
import os
from pathlib import Path

from shared.settings import Settings, SettingsError, read_settings


def command_settings() -> Settings:
    """What the environment says; where it does not say where the images are, with local.settings.json behind it.

    Raises:
        SettingsError: A value cannot be used, or the file cannot be read.
    """
    settings = read_settings(os.environ)
    file = Path("local.settings.json")
    if settings.images_account or not file.is_file():
        return settings
    try:
        content = json.loads(file.read_bytes())
        encrypted, values = content.get("IsEncrypted"), dict(content["Values"])
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise SettingsError(f"{file} is not JSON with an object Values.") from error
    if encrypted:
        raise SettingsError(f"{file} is encrypted: only func can read it. Set the variables in the environment.")
    return read_settings({name: str(value) for name, value in values.items()} | os.environ)
