"""Whether what clients ask, or newer data, is still like the data that a version learned from."""
