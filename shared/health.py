"""Is the app ready to answer?"""

import json
import logging
import time
from collections import Counter

from shared import backbone
from shared.contract import Reply
from shared.features import FeatureStore, StoreBusy
from shared.settings import SettingsError, settings
from shared.stores import feature_store

COUNTED_SECONDS = 10.0

log = logging.getLogger(__name__)


def check_health() -> Reply:
    """200 when the model is loaded and the store answers, else 503 with the reason.

    Features of another model than the app's are counted apart: no query finds them until they are made again.
    """
    try:
        backbone.session()
        features = _counted(feature_store())
        store = "cosmos" if settings().cosmos_endpoint else "sqlite"
    except (SettingsError, StoreBusy) as error:
        return _reply(503, {"status": "not ready", "reason": str(error)})
    except Exception:
        # The edge of a probe: whoever asks wants to know that it is broken, the log says how.
        log.exception("not ready")
        return _reply(503, {"status": "not ready", "reason": "an error that the app's log describes"})
    current = features[backbone.MODEL]
    return _reply(200, {"status": "ready", "store": store, "features": current, "outdated": features.total() - current})


_seen: dict[int, tuple[float, Counter[str]]] = {}


def _counted(store: FeatureStore) -> Counter[str]:
    """Features by model. Anyone may ask for health, and counting costs the database, so it is not done each time."""
    until, features = _seen.get(id(store), (0.0, Counter()))
    if time.monotonic() >= until:
        features = sum((Counter(models) for models in store.counts().values()), Counter[str]())
        _seen[id(store)] = (time.monotonic() + COUNTED_SECONDS, features)
    return features


def _reply(code: int, facts: dict[str, str | int]) -> Reply:
    return Reply(code, json.dumps(facts | {"model": backbone.MODEL}))
