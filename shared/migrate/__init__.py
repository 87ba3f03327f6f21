"""Commands that bring features from elsewhere: another store, another number of shards, an older system's file."""
