"""The Transform graph as it serves: between raw features, what a client sends, and what the model takes."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.python.eager import wrap_function
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import tf2_utils
from tensorflow_transform.tf_metadata import schema_utils

from trainer_modules.common.decoding import MARK

SERVING = "SERVING"
# What stands for a missing value in a dense tensor.
MISSING = {tf.float32: float("nan"), tf.string: ""}
Tensors = Mapping[str, tf.Tensor]
FeatureSpec = Mapping[str, tf.io.FixedLenFeature | tf.io.VarLenFeature]


def serving_feature_spec(schema: schema_pb2.Schema) -> FeatureSpec:
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
    """The Transform graph cut in two where raw features become what a client sends.

    Transform saves one graph from raw features to transformed ones. A preprocessing_fn marks what it decodes (see decoding.py);
    this class runs the part before the marks and the part after them separately, with the graph's own constants and
    vocabularies. A feature without a mark passes the first part as it is. One that may be missing (VarLen, one value at most) is
    dense for a client: NaN stands for a missing number, an empty string for a missing text.

    Args:
        transform: the Transform component's output.
        spec: feature spec of the raw features that are served.

    Attributes:
        loaded: what an exported model must track, since the graph's tables and assets hang on it.
        signature: the TensorSpecs of what a client sends by feature name, batch first.

    Raises:
        ValueError: a feature that may be missing is of integers, which have no value for "missing".
    """

    def __init__(self, transform: tft.TFTransformOutput, spec: FeatureSpec):
        self.spec = dict(spec)
        self.loaded = tf.saved_model.load(transform.transform_savedmodel_dir)
        function = self.loaded.transform_fn
        graph = function.graph
        # The graph's inputs and outputs by feature name, as TFT itself restores them (saved_transform_io_v2).
        inputs = tf2_utils.get_structured_inputs_from_func_graph(graph)
        raw = {name: inputs[name] for name in sorted(spec)}
        marks = {operation.name for operation in graph.get_operations() if operation.name.startswith(MARK)}
        self._marked = [name for name in raw if MARK + name in marks]
        self._sparse = [name for name in raw if isinstance(raw[name], tf.SparseTensor)]
        decoded = {name: graph.get_tensor_by_name(f"{MARK}{name}:0") if name in self._marked else raw[name] for name in raw}
        outputs = tf.nest.pack_sequence_as(graph.structured_outputs, graph.outputs, expand_composites=True)

        # TFT prunes its graphs with the same class; tests/trainer_modules holds our use of it to TFT's own layer.
        whole = wrap_function.WrappedFunction(graph, variable_holder=wrap_function.VariableHolder(share_variables=True))
        unserved = tf.nest.flatten([tensor for name, tensor in inputs.items() if name not in spec], expand_composites=True)
        served = {name: tensor for name, tensor in outputs.items() if not depends_on(tensor, unserved)}
        self._decode = (
            whole.prune([raw[name] for name in self._marked], {name: decoded[name] for name in self._marked}) if self._marked else None
        )
        self._shapes = {name: tensor.shape for name, tensor in served.items()}
        self._transform = whole.prune(tf.nest.flatten(list(decoded.values()), expand_composites=True), served)
        self._names = list(decoded)
        self.signature = {name: self._client_spec(name, tensor) for name, tensor in decoded.items()}

    def _client_spec(self, name: str, tensor: tf.Tensor | tf.SparseTensor) -> tf.TensorSpec:
        if name not in self._sparse:
            return tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
        if tensor.dtype not in MISSING:
            raise ValueError(f"expected {name}, which may be missing, to be FLOAT or BYTES in the schema, received {tensor.dtype.name}.")
        return tf.TensorSpec([None], tensor.dtype, name=name)

    def decode(self, raw: Mapping[str, tf.Tensor | tf.SparseTensor]) -> dict[str, tf.Tensor]:
        """Raw features, as parsed from tf.Examples, to what a client sends."""
        decoded = dict(raw)
        if self._decode is not None:
            decoded |= self._decode(*(raw[name] for name in self._marked))
        for name in self._sparse:
            rows = tf.shape(raw[name], tf.int64)[0]
            one = tf.sparse.reset_shape(raw[name], [rows, 1])
            decoded[name] = tf.reshape(tf.sparse.to_dense(one, MISSING[one.dtype]), [-1])
        return {name: tf.ensure_shape(decoded[name], self.signature[name].shape) for name in self._names}

    def transform(self, decoded: Tensors) -> dict[str, tf.Tensor]:
        """What a client sends to the model's inputs."""
        given = [sparse(decoded[name]) if name in self._sparse else decoded[name] for name in self._names]
        transformed = self._transform(*tf.nest.flatten(given, expand_composites=True))
        for name, tensor in transformed.items():
            tensor.set_shape(self._shapes[name])  # pruning forgets them
        return dict(transformed)

    def parse(self, examples: tf.Tensor) -> dict[str, tf.Tensor | tf.SparseTensor]:
        """Serialized tf.Examples, string [N], to raw features."""
        return dict(tf.io.parse_example(examples, self.spec))


@dataclasses.dataclass(frozen=True)
class OwnInputs:
    """What serves a model whose inputs are no features of the examples that it learns from, such as a generator's noise.

    It stands where ServingTransform does, and changes nothing: tf.Examples hold what a client sends.

    Attributes:
        signature: TensorSpecs by name, batch first, the rest of their shapes known.
        draw: from a number of rows and a random generator to such inputs, as arrays by name.
        loaded: see ServingTransform.
    """

    signature: Mapping[str, tf.TensorSpec]
    draw: Callable[[int, np.random.Generator], dict[str, np.ndarray]]
    loaded: tf.Module = dataclasses.field(default_factory=tf.Module)

    def parse(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples, string [N], to inputs."""
        spec = {name: tf.io.FixedLenFeature(each.shape[1:], each.dtype) for name, each in self.signature.items()}
        return dict(tf.io.parse_example(examples, spec))

    def decode(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The same."""
        return dict(raw)

    def transform(self, decoded: Tensors) -> dict[str, tf.Tensor]:
        """The same."""
        return dict(decoded)

    def golden(self, count: int, seed: int) -> tuple[dict[str, tf.Tensor], list[bytes]]:
        """So many inputs, drawn with that seed, and the same as serialized tf.Examples of floats."""
        drawn = self.draw(count, np.random.default_rng(seed))
        examples = []
        for row in range(count):
            example = tf.train.Example()
            for name, values in drawn.items():
                example.features.feature[name].float_list.value.extend(values[row].ravel().tolist())
            examples.append(example.SerializeToString(deterministic=True))
        return {name: tf.constant(values) for name, values in drawn.items()}, examples


def sparse(dense: tf.Tensor) -> tf.SparseTensor:
    """Values [N], some of them missing, as parsed from tf.Examples: [N, 1] with the present ones only."""
    present = tf.not_equal(dense, "") if dense.dtype == tf.string else tf.logical_not(tf.math.is_nan(dense))
    rows = tf.where(present)
    shape = tf.stack([tf.shape(dense, tf.int64)[0], 1])
    return tf.SparseTensor(tf.concat([rows, tf.zeros_like(rows)], axis=1), tf.boolean_mask(dense, present), shape)


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
