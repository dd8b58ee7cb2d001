"""The SavedModel of a trained model: three signatures that all run the Transform graph (docs/architecture.md).

    serving_default   named tensors, the raw features once decoded   -> the model's output
    examples          serialized tf.Examples of raw features         -> the same
    decode            serialized tf.Examples of raw features         -> the inputs of serving_default

Exported with `keras.export.ExportArchive`: `tf.saved_model.save` of a Keras 3 model loads in Python but not in TF Serving.
"""

from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.python.eager import wrap_function
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import tf2_utils
from tensorflow_transform.tf_metadata import schema_utils

from trainer_modules.common.decoding import MARK

SERVING = "SERVING"
Tensors = Mapping[str, tf.Tensor]


def serving_feature_spec(schema: schema_pb2.Schema) -> dict[str, tf.io.FixedLenFeature]:
    """How to parse the raw features that a client sends: those of the schema's SERVING environment."""
    names = [feature.name for feature in schema.feature if in_environment(schema, feature, SERVING)]
    spec = schema_utils.schema_as_feature_spec(schema).feature_spec
    return {name: spec[name] for name in names}


def in_environment(schema: schema_pb2.Schema, feature: schema_pb2.Feature, environment: str) -> bool:
    """Whether the schema expects the feature in that environment (TFDV's rules)."""
    if environment in feature.not_in_environment:
        return False
    return environment in feature.in_environment or environment in schema.default_environment or not schema.default_environment


class ServingTransform:
    """The Transform graph cut in two where raw features are decoded.

    Transform saves one graph from raw features to transformed ones. A preprocessing_fn marks what it decodes (see decoding.py);
    this class runs the part before the marks and the part after them separately, with the graph's own constants and
    vocabularies. A feature without a mark passes the first part as it is.

    Args:
        transform: the Transform component's output.
        spec: feature spec of the raw features that are served.

    Attributes:
        loaded: what an exported model must track, since the graph's tables and assets hang on it.
        signature: the decoded features' TensorSpecs by name, batch first.
    """

    def __init__(self, transform: tft.TFTransformOutput, spec: Mapping[str, tf.io.FixedLenFeature]):
        self.spec = dict(spec)
        self.loaded = tf.saved_model.load(transform.transform_savedmodel_dir)
        function = self.loaded.transform_fn
        graph = function.graph
        # The graph's inputs and outputs by feature name, as TFT itself restores them (saved_transform_io_v2).
        inputs = tf2_utils.get_structured_inputs_from_func_graph(graph)
        raw = {name: inputs[name] for name in sorted(spec)}
        marks = {operation.name for operation in graph.get_operations() if operation.name.startswith(MARK)}
        self._marked = [name for name in raw if MARK + name in marks]
        decoded = {name: graph.get_tensor_by_name(f"{MARK}{name}:0") if name in self._marked else raw[name] for name in raw}
        outputs = tf.nest.pack_sequence_as(graph.structured_outputs, graph.outputs, expand_composites=True)

        # TFT prunes its graphs with the same class; tests/trainer_modules holds our use of it to TFT's own layer.
        whole = wrap_function.WrappedFunction(graph, variable_holder=wrap_function.VariableHolder(share_variables=True))
        unserved = [tensor for name, tensor in inputs.items() if name not in spec]
        served = {name: tensor for name, tensor in outputs.items() if not depends_on(tensor, unserved)}
        self._decode = (
            whole.prune([raw[name] for name in self._marked], {name: decoded[name] for name in self._marked}) if self._marked else None
        )
        self._shapes = {name: tensor.shape for name, tensor in served.items()}
        self._transform = whole.prune(list(decoded.values()), served)
        self._names = list(decoded)
        self.signature = {name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in decoded.items()}

    def decode(self, raw: Tensors) -> dict[str, tf.Tensor]:
        """Raw features, as parsed from tf.Examples, to decoded ones."""
        decoded = dict(raw)
        if self._decode is not None:
            decoded |= self._decode(*(raw[name] for name in self._marked))
        return {name: tf.ensure_shape(decoded[name], self.signature[name].shape) for name in self._names}

    def transform(self, decoded: Tensors) -> dict[str, tf.Tensor]:
        """Decoded features to the model's inputs."""
        transformed = self._transform(*(decoded[name] for name in self._names))
        for name, tensor in transformed.items():
            tensor.set_shape(self._shapes[name])  # pruning forgets them
        return dict(transformed)

    def parse(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples, string [N], to raw features."""
        return dict(tf.io.parse_example(examples, self.spec))


def depends_on(tensor: tf.Tensor, sources: list[tf.Tensor]) -> bool:
    """Whether computing `tensor` needs one of `sources` (graph tensors)."""
    wanted = {source.op.name for source in sources}
    seen: set[str] = set()
    pending = [tensor.op]
    while pending:
        operation = pending.pop()
        if operation.name in wanted:
            return True
        if operation.name not in seen:
            seen.add(operation.name)
            pending += [source.op for source in operation.inputs]
    return False


def export(model: keras.Model, serving: ServingTransform, folder: Path | str) -> None:
    """Writes the SavedModel.

    Args:
        model: a functional model whose inputs are a dict of transformed features; the name of its output layer names the output.
        serving: the Transform graph for serving.
        folder: to write into.
    """
    output = model.output_names[0]

    def answer(**decoded: tf.Tensor) -> dict[str, tf.Tensor]:
        return {output: model(select(model, serving.transform(decoded)), training=False)}

    def decode(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return serving.decode(serving.parse(examples))

    def answer_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(**decode(examples))

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(serving.loaded)
    examples = [tf.TensorSpec([None], tf.string, name="examples")]
    by_name = tf.function(answer)
    by_name.get_concrete_function(**serving.signature)
    archive.add_endpoint("serving_default", by_name)
    archive.add_endpoint("examples", answer_examples, input_signature=examples)
    archive.add_endpoint("decode", decode, input_signature=examples)
    archive.write_out(str(folder), verbose=False)


def select(model: keras.Model, features: Tensors) -> dict[str, tf.Tensor]:
    """The features that are inputs of the model."""
    return {tensor.name: features[tensor.name] for tensor in model.inputs}
