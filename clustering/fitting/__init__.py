"""From images to a fit in force. Only here scikit-learn is imported, and only where it is called."""
