"""The mean absolute error for TFMA, whose own counts some examples twice."""

from tf_keras.metrics import MeanAbsoluteError


class AbsoluteError(MeanAbsoluteError):
    """Keras's, under a name that TFMA 0.52 doesn't take for its own.

    TFMA's combiner takes the first of several partial sums and then adds them all to it, so that the first one's examples count twice;
    of MeanSquaredError, MeanAbsolutePercentageError and MeanSquaredLogarithmicError too.
    """
