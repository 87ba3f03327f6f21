"""Which images are the same picture, and which of those to keep."""
