"""The embedded feature store: a SQLite file for keeping, NumPy for searching."""
