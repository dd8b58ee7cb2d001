"""Curated TFMD schemas, one folder per model: what raw data must look like at training and at serving."""
