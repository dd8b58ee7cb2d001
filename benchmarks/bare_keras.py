"""The digits multilayer perceptron as a notebook has it: arrays, `fit`, `evaluate`, `save`. What the pipeline is compared with.

    python benchmarks/bare_keras.py FOLDER_WITH_THE_MNIST_IDX_FILES [EPOCHS]

Prints one line of JSON: seconds of `fit`, images per second in it, test accuracy.
"""

import gzip
import json
import math
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

folder, epochs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20


def images(name):
    return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28).astype("float32") / 255


def labels(name):
    return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=8).astype("int64")


x_train, y_train = images("train-images-idx3-ubyte.gz"), labels("train-labels-idx1-ubyte.gz")
x_test, y_test = images("t10k-images-idx3-ubyte.gz"), labels("t10k-labels-idx1-ubyte.gz")

keras.utils.set_random_seed(42)
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
cosine = keras.callbacks.LearningRateScheduler(lambda epoch: 3e-3 * (1 + math.cos(math.pi * epoch / epochs)) / 2)
started = time.perf_counter()
model.fit(x_train, y_train, batch_size=512, epochs=epochs, validation_split=0.1, callbacks=[cosine], verbose=0)
seconds = time.perf_counter() - started
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
with tempfile.TemporaryDirectory() as saved:
    model.export(saved, verbose=False)
trained_on = int(len(x_train) * 0.9)
print(json.dumps({"fit_seconds": seconds, "images_per_second": trained_on * epochs / seconds, "accuracy": accuracy}))
