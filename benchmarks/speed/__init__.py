"""How fast the models without a plain `fit` learn, beside the libraries that people know: `make bench-speed`."""
