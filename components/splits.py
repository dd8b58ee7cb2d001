"""Names of the splits, and the size of the digests that choose them; without what writes them (content_splits.py), which loads Beam."""

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
DIGEST_BYTES = 16
