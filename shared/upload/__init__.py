"""A command that uploads images into a collection: from a folder, or from a list of labels and urls."""
