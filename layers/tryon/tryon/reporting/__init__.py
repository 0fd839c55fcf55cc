"""The end of a run: numbers, files, gallery, notification, and what a retry does."""
