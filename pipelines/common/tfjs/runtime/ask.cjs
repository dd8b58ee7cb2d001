// Asks a TensorFlow.js graph model on the CPU backend, in Node.js: node ask.cjs FOLDER INPUTS.json ANSWERS.json
// Tensors are {"dtype", "shape", "base64"} by name, their numbers as they lie in memory. NODE_PATH has the packages.
"use strict";
const fs = require("fs");
const path = require("path");

const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array};

function decoded(tf, {dtype, shape, base64}) {
    const bytes = new Uint8Array(Buffer.from(base64, "base64"));
    return tf.tensor(new ARRAYS[dtype](bytes.buffer), shape, dtype);
}

async function encoded({dtype, shape, data}) {
    const values = await data();
    return {dtype, shape, base64: Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64")};
}

// model.json and its shards, which lie beside it.
function loader(folder) {
    const model = JSON.parse(fs.readFileSync(path.join(folder, "model.json"), "utf8"));
    const files = model.weightsManifest.flatMap((group) => group.paths);
    const weights = Buffer.concat(files.map((file) => fs.readFileSync(path.join(folder, path.basename(file)))));
    return {
        load: async () => ({
            ...model,
            weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
            weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
        }),
    };
}

async function main([folder, inputsFile, answersFile]) {
    console.warn = () => {};  // an advertisement
    const tf = require("@tensorflow/tfjs-core");
    require("@tensorflow/tfjs-backend-cpu");
    const {loadGraphModel} = require("@tensorflow/tfjs-converter");
    await tf.setBackend("cpu");
    const model = await loadGraphModel(loader(folder));
    const inputs = JSON.parse(fs.readFileSync(inputsFile, "utf8"));
    const given = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, decoded(tf, tensor)]));
    const found = await model.predictAsync(given);
    const answers = {};
    for (const [name, tensor] of Object.entries(found)) {
        answers[name] = await encoded({dtype: tensor.dtype, shape: tensor.shape, data: () => tensor.data()});
    }
    fs.writeFileSync(answersFile, JSON.stringify(answers));
    process.stdout.write(`Node.js ${process.version}, TensorFlow.js ${tf.version_core}, ${tf.getBackend()} backend\n`);
}

main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
});
