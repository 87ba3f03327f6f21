"""The embedded stores: a SQLite file for keeping, NumPy for searching."""
