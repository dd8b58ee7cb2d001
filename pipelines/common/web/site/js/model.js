// The model: what a client sends goes through the Transform graph, if it has one, and the TFLite model in LiteRT.js.

import {loadAndCompile, loadLiteRt, Tensor} from '../runtime/litert.js';
import {Graph} from './graph.js';
import {sizeOf} from './tensors.js';

const WASM = new URL('../runtime/wasm/litert_wasm_compat_internal.js', import.meta.url).href;
const ARRAYS = {float32: Float32Array, int32: Int32Array, uint8: Uint8Array};

async function fetched(name) {
  const response = await fetch(new URL(`../${name}`, import.meta.url));
  if (!response.ok) throw new Error(`${name} could not be loaded (status ${response.status}). Copy the page’s whole folder to the server.`);
  return response;
}

export async function describe() {
  return (await fetched('page.json')).json();
}

export class Model {
  static async load(page) {
    if (typeof WebAssembly !== 'object') {
      throw new Error('This browser has no WebAssembly, which the model needs. Update it, or switch its protection mode off for this page.');
    }
    const [content, transform] = await Promise.all([
      fetched('model.tflite').then((response) => response.arrayBuffer()),
      page.has_transform ? fetched('transform.json').then((response) => response.json()) : null,
    ]);
    // The runtime tells what it does on the standard error, which would be errors in the console.
    globalThis.Module = {printErr: (text) => console.debug(text)};
    await loadLiteRt(WASM);
    const compiled = await loadAndCompile(new Uint8Array(content), {accelerator: 'wasm'});
    return new Model(compiled, transform && new Graph(transform), page);
  }

  constructor(compiled, graph, page) {
    this.compiled = compiled;
    this.graph = graph;
    this.page = page;
    this.turn = Promise.resolve();
  }

  // inputs: by name, a number, a text, null where it is missing, or a list of numbers; of an encoded picture its pixels.
  // Returns {outputs: lists of numbers by name, milliseconds}. Questions are answered one after the other.
  ask(inputs) {
    const answer = this.turn.then(() => this.answer(inputs));
    this.turn = answer.catch(() => {});
    return answer;
  }

  async answer(inputs) {
    const start = performance.now();
    const given = this.graph ? this.prepared(inputs) : inputs;
    const tensors = this.compiled.getInputDetails().map(({name, dtype, shape}) => {
      const value = given[name];
      const data = ARRAYS[dtype].from(typeof value === 'object' && value !== null ? value : [value]);
      if (data.length !== sizeOf(Array.from(shape))) throw new Error(`${name}: expected ${shape.join('×')} numbers, received ${data.length}.`);
      return [name, new Tensor(data, Array.from(shape))];
    });
    const results = await this.compiled.run(Object.fromEntries(tensors));
    tensors.forEach(([, tensor]) => tensor.delete());
    const outputs = {};
    for (const [name, result] of Object.entries(results)) {
      outputs[name] = Array.from(result.toTypedArray());
      result.delete();
    }
    return {outputs, milliseconds: performance.now() - start};
  }

  prepared(inputs) {
    return Object.fromEntries(Object.entries(this.graph.run(inputs)).map(([name, tensor]) => [name, tensor.data]));
  }
}
