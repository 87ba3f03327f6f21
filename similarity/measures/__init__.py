"""How well look-alikes are found: halves, comparative sets, ranks, precision and recall. Any vectors, any ranker."""
