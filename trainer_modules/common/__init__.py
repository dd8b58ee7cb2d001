"""Input data, training, distribution strategies and signatures shared by every trainer module."""
