// Runs a Transform graph (graph.py): from what a client sends to what the TFLite model takes, one example at a time.

import {operations} from './operations.js';
import {sizeOf, tensor} from './tensors.js';

const missing = (value) => value === null || value === undefined || value === '' || Number.isNaN(value);

export class Graph {
  // description: {nodes, outputs, features} of graph.py
  constructor({nodes, outputs, features}) {
    this.nodes = nodes;
    this.outputs = outputs;
    this.features = features;
    this.results = [];
    // What no feature enters is the same for all examples.
    this.varies = [];
    nodes.forEach((node, number) => {
      this.varies[number] = node.feature !== undefined || node.inputs.some(([source]) => this.varies[source]);
      if (!this.varies[number]) this.results[number] = this.evaluate(node, {});
    });
  }

  // given: by feature a number or text, null where it is missing, or a list of numbers; of a picture its pixels. Returns tensors by name.
  run(given) {
    this.nodes.forEach((node, number) => {
      if (this.varies[number]) this.results[number] = this.evaluate(node, given);
    });
    return Object.fromEntries(Object.entries(this.outputs).map(([name, [node, output]]) => [name, this.results[node][output]]));
  }

  // The outputs of a node, as a list.
  evaluate(node, given) {
    if (node.op === 'Const') return [constant(node.value)];
    if (node.op === 'Table') return [{data: new Map(node.table.keys.map((key, at) => [key, node.table.values[at]]))}];
    if (node.op === 'Picture') return [tensor('float32', [1, node.size, node.size, 3], given[node.feature])];
    if (node.op === 'Feature') return [this.feature(node, given[node.feature])];
    const found = operations[node.op](node.inputs.map(([source, output]) => this.results[source][output]), node.attrs);
    return Array.isArray(found) ? found : [found];
  }

  // A feature as parsed from a tf.Example: dense, or a part of a sparse one.
  feature({feature, part, shape}, value) {
    const {dtype} = this.features[feature];
    const list = missing(value) ? [] : typeof value === 'object' ? value : [value];
    if (part === 'indices') return tensor('int64', [list.length, 2], list.flatMap((_, at) => [0, at]));
    if (part === 'values') return tensor(dtype, [list.length], list);
    if (part === 'shape') return tensor('int64', [2], [1, list.length]);
    if (dtype === 'string' && list.length === 0) return tensor(dtype, [1, ...shape], ['']);
    if (list.length !== sizeOf(shape)) throw new Error(`${feature}: expected ${sizeOf(shape)} values, received ${list.length}.`);
    return tensor(dtype, [1, ...shape], list);
  }
}

function constant({dtype, shape, data}) {
  return tensor(dtype, shape, dtype === 'float32' ? data.map(Number) : data.map((value) => (dtype === 'bool' ? Number(value) : value)));
}
