"""A stand-in for a search service: objects with ETags, indexers that run as a test tells them to, and queries."""

from tests.servers.search.server import Asked, Fault, SearchServer, search_service

__all__ = ["Asked", "Fault", "SearchServer", "search_service"]
