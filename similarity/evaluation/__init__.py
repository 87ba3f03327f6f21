"""How well rankers find images of the same label: the protocol, the figures, and the report."""
