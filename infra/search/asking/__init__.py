"""Asking an index, that of a service or the local one, by words and by images; and the app for vectors and pictures."""
