"""The local indexer: plays the search service by its documented rules."""
