"""A SavedModel for MLServer, in its own environment; `model-settings.json` names the class and the folder."""

import tensorflow as tf
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class SavedModel(MLModel):
    """The signature `raw`, of one input and one output."""

    async def load(self) -> bool:
        """Loads the SavedModel that the settings name."""
        self._loaded = tf.saved_model.load(self.settings.parameters.uri)
        self._signature = self._loaded.signatures["raw"]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answers a request of the open inference protocol."""
        (given,) = payload.inputs
        ((name, answer),) = self._signature(**{given.name: tf.constant(NumpyCodec.decode_input(given))}).items()
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output(name, answer.numpy())])
