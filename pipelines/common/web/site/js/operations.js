// The operations of TensorFlow that a Transform graph may have here (graph.py has the list): (inputs, attributes) to a tensor or several.

import {axisOf, combine, concatenate, eachIndex, map, pick, range, reduce, sizeOf, strides, tensor} from './tensors.js';
import {texts} from './texts.js';

const isFloat = (input) => input.dtype === 'float32';
const numbers = (change) => ([a, b]) => combine([a, b], change, a.dtype);
const comparison = (change) => (inputs) => combine(inputs, (...values) => Number(change(...values)), 'bool');
const each = (change) => ([input]) => map(input, change);
const reduction = (from) => ([input, axes], {keep_dims: kept}) => reduce(input, Array.from(axes.data), kept, from);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const whole = (values) => tensor('int64', [values.length], values);

// Of no values the extreme is the farthest number of the type: not infinity, which times 0 is no number.
function extreme(better, sign) {
  return ([input, axes], {keep_dims: kept}) => {
    const farthest = sign * (isFloat(input) ? Infinity : Number.MAX_SAFE_INTEGER);
    return reduce(input, Array.from(axes.data), kept, (values) => values.reduce((found, value) => better(found, value), farthest));
  };
}

// tf.round: halves to the even neighbour.
function rounded(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

function cast([input], {DstT: dtype}) {
  if (dtype === 'bool') return map(input, (value) => Number(value !== 0), dtype);
  return map(input, isFloat(input) && dtype !== 'float32' ? Math.trunc : (value) => value, dtype);
}

function reshape([input, to]) {
  const known = sizeOf(Array.from(to.data).filter((length) => length >= 0));
  const shape = Array.from(to.data, (length) => (length < 0 ? input.data.length / known : length));
  return tensor(input.dtype, shape, input.data);
}

function expandDims([input, axis]) {
  const shape = [...input.shape];
  shape.splice(axisOf(axis.data[0], shape.length + 1), 0, 1);
  return tensor(input.dtype, shape, input.data);
}

function squeeze([input], {squeeze_dims: axes}) {
  const gone = new Set(axes.map((axis) => axisOf(axis, input.shape.length)));
  const shape = input.shape.filter((length, axis) => (axes.length ? !gone.has(axis) : length !== 1));
  return tensor(input.dtype, shape, input.data);
}

function pack(inputs, {axis}) {
  const place = tensor('int64', [], [axis]);
  return concatenate(inputs.map((input) => expandDims([input, place])), axisOf(axis, inputs[0].shape.length + 1));
}

function split([axis, input], {num_split: count}) {
  const place = axisOf(axis.data[0], input.shape.length);
  const length = input.shape[place] / count;
  return range(0, count).map((part) => {
    return pick(input, input.shape.map((all, at) => (at === place ? range(part * length, (part + 1) * length) : range(0, all))));
  });
}

// Begin, end and step of each axis; bits of the masks say where the ends are left open, where an axis goes, and where one is new.
function stridedSlice([input, begin, end, step], masks) {
  const has = (mask, at) => (mask >> at) & 1;
  const count = begin.data.length;
  const named = range(0, count).filter((at) => !has(masks.new_axis_mask, at) && !has(masks.ellipsis_mask, at)).length;
  const places = [];
  const shape = [];
  const keepAll = () => {
    places.push(range(0, input.shape[places.length]));
    shape.push(places[places.length - 1].length);
  };
  for (let at = 0; at < count; at++) {
    if (has(masks.ellipsis_mask, at)) {
      for (let more = input.shape.length - named; more > 0; more--) keepAll();
    } else if (has(masks.new_axis_mask, at)) {
      shape.push(1);
    } else if (has(masks.shrink_axis_mask, at)) {
      places.push([axisOf(begin.data[at], input.shape[places.length])]);
    } else {
      const length = input.shape[places.length];
      const by = step.data[at];
      const lowest = by > 0 ? 0 : -1;
      const inside = (value) => Math.min(Math.max(axisOf(value, length), lowest), by > 0 ? length : length - 1);
      const first = has(masks.begin_mask, at) ? (by > 0 ? 0 : length - 1) : inside(begin.data[at]);
      const last = has(masks.end_mask, at) ? (by > 0 ? length : -1) : inside(end.data[at]);
      places.push(range(first, last, by));
      shape.push(places[places.length - 1].length);
    }
  }
  while (places.length < input.shape.length) keepAll();
  return tensor(input.dtype, shape, pick(input, places).data);
}

function gather([input, indices, axis]) {
  const place = axisOf(axis.data[0], input.shape.length);
  const found = pick(input, input.shape.map((length, at) => (at === place ? Array.from(indices.data) : range(0, length))));
  return tensor(input.dtype, [...input.shape.slice(0, place), ...indices.shape, ...input.shape.slice(place + 1)], found.data);
}

function where([condition]) {
  const found = [];
  eachIndex(condition.shape, (index, number) => {
    if (condition.data[number]) found.push(...index);
  });
  const rank = condition.shape.length;
  return tensor('int64', [found.length / rank, rank], found);
}

function sparseToDense([indices, shape, values, other]) {
  const lengths = Array.from(shape.data);
  const steps = strides(lengths);
  const data = new Array(sizeOf(lengths)).fill(other.data[0]);
  const one = values.shape.length === 0;
  for (let row = 0; row < indices.shape[0]; row++) {
    const place = steps.reduce((total, step, axis) => total + step * indices.data[row * lengths.length + axis], 0);
    data[place] = values.data[one ? 0 : row];
  }
  return tensor(values.dtype, lengths, data);
}

function cumulated([input, axis], {exclusive}) {
  const place = axisOf(axis.data[0], input.shape.length);
  const step = strides(input.shape)[place];
  const out = tensor(input.dtype, input.shape, input.data);
  eachIndex(input.shape, (index, number) => {
    const before = index[place] ? out.data[number - step] : 0;
    const added = exclusive ? (index[place] ? input.data[number - step] : 0) : input.data[number];
    out.data[number] = before + added;
  });
  return out;
}

function counted([input, size, weights]) {
  const counts = new Array(size.data[0]).fill(0);
  input.data.forEach((value, at) => {
    if (value < counts.length) counts[value] += weights.data.length ? weights.data[at] : 1;
  });
  return tensor(weights.dtype, [counts.length], counts);
}

function raggedRange([starts, limits, deltas]) {
  const rows = Math.max(starts.data.length, limits.data.length, deltas.data.length);
  const of = (input, row) => input.data[input.shape.length ? row : 0];
  const lists = range(0, rows).map((row) => range(of(starts, row), of(limits, row), of(deltas, row)));
  const splits = [0];
  for (const list of lists) splits.push(splits[splits.length - 1] + list.length);
  return [whole(splits), tensor(starts.dtype, [splits[splits.length - 1]], lists.flat())];
}

function raggedToTensor([shape, values, other, splits]) {
  const rows = splits.data.length - 1;
  const lengths = range(0, rows).map((row) => splits.data[row + 1] - splits.data[row]);
  const wanted = shape.data[shape.data.length - 1];
  const columns = wanted < 0 ? Math.max(0, ...lengths) : wanted;
  const data = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      data.push(column < lengths[row] ? values.data[splits.data[row] + column] : other.data[0]);
    }
  }
  return tensor(values.dtype, [rows, columns], data);
}

export const operations = {
  ...texts,
  Identity: ([input]) => input,
  EnsureShape: ([input]) => input,
  AddV2: numbers((a, b) => a + b),
  Sub: numbers((a, b) => a - b),
  Mul: numbers((a, b) => a * b),
  RealDiv: numbers((a, b) => a / b),
  FloorDiv: numbers((a, b) => Math.floor(a / b)),
  FloorMod: numbers((a, b) => a - b * Math.floor(a / b)),
  Maximum: numbers(Math.max),
  Minimum: numbers(Math.min),
  Neg: each((value) => -value),
  Abs: each(Math.abs),
  Sqrt: each(Math.sqrt),
  Log: each(Math.log),
  Round: each(rounded),
  Floor: each(Math.floor),
  ZerosLike: ([input]) => map(input, () => (input.dtype === 'string' ? '' : 0)),
  IsNan: comparison(Number.isNaN),
  Greater: comparison((a, b) => a > b),
  GreaterEqual: comparison((a, b) => a >= b),
  Less: comparison((a, b) => a < b),
  LessEqual: comparison((a, b) => a <= b),
  Equal: comparison((a, b) => a === b),
  NotEqual: comparison((a, b) => a !== b),
  LogicalAnd: comparison((a, b) => a && b),
  LogicalOr: comparison((a, b) => a || b),
  LogicalNot: comparison((value) => !value),
  SelectV2: ([condition, yes, no]) => combine([condition, yes, no], (is, a, b) => (is ? a : b), yes.dtype),
  Cast: cast,
  Shape: ([input]) => whole(input.shape),
  Size: ([input]) => tensor('int64', [], [input.data.length]),
  Reshape: reshape,
  ExpandDims: expandDims,
  Squeeze: squeeze,
  Pack: pack,
  ConcatV2: (inputs) => concatenate(inputs.slice(0, -1), inputs[inputs.length - 1].data[0]),
  Split: split,
  StridedSlice: stridedSlice,
  GatherV2: gather,
  BroadcastTo: ([input, shape]) => combine([input, tensor('bool', Array.from(shape.data), new Array(sizeOf(Array.from(shape.data))).fill(0))], (value) => value, input.dtype),
  Fill: ([shape, value]) => tensor(value.dtype, Array.from(shape.data), new Array(sizeOf(Array.from(shape.data))).fill(value.data[0])),
  Where: where,
  SparseToDense: sparseToDense,
  Sum: reduction(sum),
  Mean: reduction((values) => sum(values) / values.length),
  Prod: reduction((values) => values.reduce((product, value) => product * value, 1)),
  Max: extreme(Math.max, -1),
  Min: extreme(Math.min, 1),
  Cumsum: cumulated,
  DenseBincount: counted,
  RaggedRange: raggedRange,
  RaggedTensorToTensor: raggedToTensor,
};
