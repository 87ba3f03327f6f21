"""Which container the features of a store come from. A store is never brought in step with another container.

Every blob of the former one would be missing there, and every feature dropped: days of work, for a slip in a setting.
"""

from urllib.parse import urlsplit

from shared.features import FeatureStore
from shared.settings import Settings, SettingsError

_KEY = "images container"

_checked: set[tuple[int, str]] = set()


def check_origin(store: FeatureStore, settings: Settings) -> None:
    """Note where a store's features come from, once for each process, or refuse to mix them with others.

    Raises:
        SettingsError: They come from another container.
        StoreBusy: The store did not answer.
    """
    here = settings.images_url
    if not here or urlsplit(here).hostname in {"localhost", "127.0.0.1"}:
        return  # an emulator or a folder, whose port changes from start to start
    if (id(store), here) in _checked:
        return
    there = store.recall(_KEY)
    if there is None:
        store.remember(_KEY, here)
    elif there != here:
        raise SettingsError(
            f"The features of this store come from {there}, but the app's images are at {here} now. Set "
            "IMAGES_CONTAINER and IMAGES_STORAGE… as they were, or give the new container a store of its own "
            "(COSMOS_DATABASE or DATA_DIR)."
        )
    _checked.add((id(store), here))
