"""What the commands of `python -m clustering` do."""
