"""Definitions into a search service, and its indexer at work."""
