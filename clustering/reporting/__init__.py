"""The clusters of a fit as people look at them: with pictures."""
