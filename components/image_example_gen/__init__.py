"""ImageExampleGen: image arrays (IDX, NPZ, folders of pictures) to tf.Examples in splits that are disjoint by content."""
