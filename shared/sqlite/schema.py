"""The tables of the embedded store, as the steps in which they came to be."""

import numpy as np

from shared.features import DIMENSIONS

EMBEDDING = np.dtype("<f4")
"""How an embedding's numbers are kept."""

# A row of `features` never changes: a write adds one under a higher id, drops the old one and notes that in `dropped`.
# So "what came after id x" and "what went after n" are two look-ups, and vectors in memory are brought up to date by
# just what they miss. AUTOINCREMENT, because an id must never be used twice.
_FEATURES = f"""
CREATE TABLE features (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL,
    path TEXT NOT NULL,
    etag TEXT NOT NULL,
    modified INTEGER NOT NULL,  -- microseconds since 1970 in UTC
    model TEXT NOT NULL,
    pixel_hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    tags TEXT NOT NULL,  -- a JSON object
    embedding BLOB NOT NULL CHECK (length(embedding) = {EMBEDDING.itemsize * DIMENSIONS})  -- float32, little-endian
) STRICT;
CREATE UNIQUE INDEX features_by_path ON features (collection, path);
CREATE INDEX features_by_model ON features (collection, model);
CREATE TABLE tags (
    collection TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (collection, name, value, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL,
    model TEXT NOT NULL,
    id INTEGER NOT NULL
) STRICT;
"""

# A path is in `features` or in `failures`, never in both.
_FAILURES_AND_TEXTS = """
CREATE TABLE failures (
    collection TEXT NOT NULL,
    path TEXT NOT NULL,
    etag TEXT NOT NULL,
    modified INTEGER NOT NULL,  -- microseconds since 1970 in UTC, as is `time`
    model TEXT NOT NULL,
    reason TEXT NOT NULL,
    time INTEGER NOT NULL,
    retry INTEGER NOT NULL,
    PRIMARY KEY (collection, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE texts (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

STEPS = (_FEATURES, _FAILURES_AND_TEXTS)
"""The n-th makes schema version n of version n - 1. One that was released is never edited: files went through it."""
