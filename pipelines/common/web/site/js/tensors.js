// Tensors of the Transform graph: {dtype, shape, data}. Data is a Float32Array of float32, which rounds like float32, and else a list.

export function tensor(dtype, shape, data) {
  return {dtype, shape, data: dtype === 'float32' ? Float32Array.from(data) : Array.from(data)};
}

export function sizeOf(shape) {
  return shape.reduce((product, length) => product * length, 1);
}

// How far elements that follow each other in each dimension lie apart.
export function strides(shape) {
  const found = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) found[axis] = found[axis + 1] * shape[axis + 1];
  return found;
}

// Calls visit(index, number) for every index of a shape, in order.
export function eachIndex(shape, visit) {
  const index = new Array(shape.length).fill(0);
  const count = sizeOf(shape);
  for (let number = 0; number < count; number++) {
    visit(index, number);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] += 1;
      if (index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

// An axis counted from the front.
export function axisOf(number, rank) {
  return number < 0 ? number + rank : number;
}

export function map(input, change, dtype = input.dtype) {
  return tensor(dtype, input.shape, Array.from(input.data, change));
}

// The shape that shapes have together, by NumPy's rules.
export function commonShape(shapes) {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({length: rank}, (_, axis) => {
    const lengths = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const length = lengths.find((each) => each !== 1) ?? 1;
    if (lengths.some((each) => each !== 1 && each !== length)) throw new Error(`shapes ${JSON.stringify(shapes)} do not go together`);
    return length;
  });
}

// Combines tensors element by element.
export function combine(inputs, change, dtype) {
  const shape = commonShape(inputs.map((input) => input.shape));
  const steps = inputs.map((input) => {
    const own = strides(input.shape);
    return shape.map((_, axis) => {
      const place = axis - shape.length + input.shape.length;
      return place < 0 || input.shape[place] === 1 ? 0 : own[place];
    });
  });
  const data = new Array(sizeOf(shape));
  eachIndex(shape, (index, number) => {
    const values = inputs.map((input, i) => input.data[index.reduce((sum, at, axis) => sum + at * steps[i][axis], 0)]);
    data[number] = change(...values);
  });
  return tensor(dtype, shape, data);
}

// Brings the elements along some axes together: from(values) of each group.
export function reduce(input, axes, keepDimensions, from) {
  const rank = input.shape.length;
  const gone = new Set(axes.map((axis) => axisOf(axis, rank)));
  const kept = input.shape.map((length, axis) => (gone.has(axis) ? 1 : length));
  const steps = strides(kept);
  const groups = Array.from({length: sizeOf(kept)}, () => []);
  eachIndex(input.shape, (index, number) => {
    groups[index.reduce((sum, at, axis) => sum + (gone.has(axis) ? 0 : at * steps[axis]), 0)].push(input.data[number]);
  });
  const shape = keepDimensions ? kept : input.shape.filter((_, axis) => !gone.has(axis));
  return tensor(input.dtype, shape, groups.map(from));
}

// Takes elements by a list of places for each axis.
export function pick(input, places) {
  const own = strides(input.shape);
  const shape = places.map((list) => list.length);
  const data = new Array(sizeOf(shape));
  eachIndex(shape, (index, number) => {
    data[number] = input.data[index.reduce((sum, at, axis) => sum + places[axis][at] * own[axis], 0)];
  });
  return tensor(input.dtype, shape, data);
}

export function range(from, to, step = 1) {
  const found = [];
  for (let value = from; step > 0 ? value < to : value > to; value += step) found.push(value);
  return found;
}

// Puts tensors of one shape, but for that axis, after each other.
export function concatenate(inputs, axis) {
  const place = axisOf(axis, inputs[0].shape.length);
  const shape = inputs[0].shape.map((length, at) => (at === place ? inputs.reduce((sum, input) => sum + input.shape[at], 0) : length));
  const inner = sizeOf(shape.slice(place + 1));
  const outer = sizeOf(shape.slice(0, place));
  const data = [];
  for (let block = 0; block < outer; block++) {
    for (const input of inputs) {
      const length = input.shape[place] * inner;
      for (let at = 0; at < length; at++) data.push(input.data[block * length + at]);
    }
  }
  return tensor(inputs[0].dtype, shape, data);
}
