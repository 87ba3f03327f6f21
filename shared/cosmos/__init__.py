"""The stores in Azure Cosmos DB for NoSQL: a collection or a fit is a partition, a search is one query.

Imported only when this store is used: the SDK takes a tenth of a second.
"""
