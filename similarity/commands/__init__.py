"""The commands of `python -m similarity`."""
