"""What addresses call the machine that a command runs on."""

from typing import Final

THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1"})
"""Hosts to which plain http is good enough, and no proxy has a way."""
