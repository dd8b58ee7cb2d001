"""Files that run the real TF Serving on pushed models."""
