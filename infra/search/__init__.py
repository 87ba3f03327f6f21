"""Azure AI Search: the definitions of its objects, one command for them, and an indexer to try them with."""
