"""Is the app ready to answer?"""

import json
import logging

from shared import backbone
from shared.contract import Reply
from shared.settings import SettingsError
from shared.stores import feature_store

log = logging.getLogger(__name__)


def check_health() -> Reply:
    """200 when the model is loaded and the store answers, else 503 with the reason."""
    parts = {"model": backbone.MODEL, "store": "sqlite"}
    try:
        backbone.session()
        features = sum(sum(models.values()) for models in feature_store().counts().values())
    except SettingsError as error:
        return Reply(503, json.dumps({"status": "not ready", "reason": str(error), **parts}))
    except Exception:
        # The edge of a probe: whoever asks wants to know that it is broken, the log says how.
        log.exception("not ready")
        return Reply(
            503, json.dumps({"status": "not ready", "reason": "an error that the app's log describes", **parts})
        )
    return Reply(200, json.dumps({"status": "ready", **parts, "features": features}))
