"""Rankers: ways to order images by how alike they are, two of them learned from labels."""
