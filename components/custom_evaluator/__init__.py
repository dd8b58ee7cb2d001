"""An evaluator of models that TFMA has no metrics for: their own function measures them."""
