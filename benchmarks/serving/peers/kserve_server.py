"""KServe's Python server with a SavedModel, in its own environment: `python kserve_server.py --saved_model DIR --http_port N …`.

A custom model as KServe's documentation writes it; its log line per request is off.
"""

import argparse

import tensorflow as tf
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server


class SavedModel(Model):
    """The signature `raw`, of one input and one output."""

    def __init__(self, name: str, folder: str) -> None:
        super().__init__(name)
        self._loaded = tf.saved_model.load(folder)
        self._signature = self._loaded.signatures["raw"]
        self.ready = True

    def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:
        """Answers a request of the open inference protocol."""
        (given,) = payload.inputs
        ((name, answer),) = self._signature(**{given.name: tf.constant(given.as_numpy())}).items()
        output = InferOutput(name=name, shape=list(answer.shape), datatype="FP32")
        output.set_data_from_numpy(answer.numpy(), binary_data=False)
        return InferResponse(response_id="1", model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--saved_model", required=True)
    arguments = parser.parse_args()
    ModelServer(enable_latency_logging=False).start([SavedModel(arguments.model_name, arguments.saved_model)])
