// The page: loads the model, asks for inputs in the way that fits them, and shows the answers.

import {debounced, element, spoken} from './dom.js';
import {mount as mountDrawing} from './drawing.js';
import {mountNoise, mountRecorded} from './examples.js';
import {mount as mountForm} from './form.js';
import {describe, Model} from './model.js';
import {mount as mountPhoto, pixelsOf} from './photo.js';
import {bytesOf} from './pictures.js';
import {numeral, Results} from './results.js';

const LAYOUTS = {drawing: mountDrawing, photo: mountPhoto, form: mountForm, noise: mountNoise, recorded: mountRecorded};
const SETTLED = 500; // milliseconds without a new answer before it is read out

const place = (id) => document.getElementById(id);

function introduce(page) {
  const title = spoken(page.name);
  document.title = `${title}: a model in the browser`;
  place('name').textContent = title;
  place('learns').textContent = page.learns[0].toUpperCase() + page.learns.slice(1) + '.';
  place('badge').textContent = `version ${page.version}`;
  place('badge').hidden = false;
  const megabytes = (page.bytes / 1e6).toFixed(page.bytes < 1e6 ? 2 : 1);
  const facts = [
    ['Model', `${page.name}, version ${page.version}`],
    ['Pushed', page.pushed.slice(0, 10)],
    ['Size of the model', `${megabytes} MB (TFLite, float32)`],
    ['Trained on', [page.data.kind && `${page.data.kind} data`, page.data.note].filter(Boolean).join('; ')],
    ...page.figures.map(({metric, value, operator, bound}) => [
      metric.replace(/(?<=[a-z0-9])(?=[A-Z])/g, ' '),
      `${numeral(value)} on test data (asked for: ${{'>=': 'at least', '<=': 'at most'}[operator] ?? operator} ${numeral(bound)})`,
    ]),
  ];
  for (const [name, value] of facts) if (value) place('facts').append(element('div', {}, element('dt', {}, name), element('dd', {}, value)));
  place('about').hidden = false;
}

// Asks one question at a time; of those that come meanwhile only the last counts.
function questions(model, results) {
  let waiting = null;
  let busy = false;
  const say = debounced((text) => (place('summary').textContent = text), SETTLED);

  async function work() {
    busy = true;
    while (waiting) {
      const {inputs, note} = waiting;
      waiting = null;
      place('answer').classList.toggle('stale', !inputs);
      if (!inputs) {
        say(note);
        place('latency').textContent = '';
        continue;
      }
      try {
        const {outputs, milliseconds} = await model.ask(inputs);
        say(results.show(outputs));
        place('latency').textContent = `Answered in ${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
      } catch (error) {
        fail(`The model could not answer: ${error.message}`);
      }
    }
    busy = false;
  }

  return (inputs, note = '') => {
    waiting = {inputs, note};
    if (!busy) work();
  };
}

// What a recorded request is for the model.
async function asInputs(page, sample) {
  const entries = page.inputs.map(async (input) => {
    const value = sample.inputs[input.name];
    if (value === null || value.base64 === undefined) return [input.name, value];
    return [input.name, input.encoded ? (await pixelsOf(new Blob([bytesOf(value)]), input)).data : bytesOf(value)];
  });
  return Object.fromEntries(await Promise.all(entries));
}

// Holds this browser to the answers that Python gave to recorded requests: as near as exports have to be, relative to those larger than 1.
async function check(model, page) {
  if (page.inputs.some((input) => input.encoded)) {
    place('check').textContent = 'Browsers decode JPEG a little differently from TensorFlow, so answers to it may differ from a server’s. PNG is the same.';
    return;
  }
  if (!page.samples.length) return;
  let most = 0;
  for (const sample of page.samples) {
    const {outputs} = await model.ask(await asInputs(page, sample));
    for (const [name, values] of Object.entries(sample.outputs)) {
      const scale = Math.max(1, ...values.map(Math.abs));
      values.forEach((value, at) => (most = Math.max(most, Math.abs(Number(value) - outputs[name][at]) / scale)));
    }
  }
  const right = most <= page.close;
  place('check').classList.add(right ? 'good' : 'bad');
  place('check').textContent = right
    ? `✓ Checked in this browser: ${page.samples.length} recorded inputs, answered as in Python (${most ? `largest difference ${most.toExponential(0)}` : 'no difference'}).`
    : `✗ This browser does not answer as Python does: the largest difference is ${most.toExponential(0)}. Do not rely on it.`;
}

function fail(text) {
  place('status').hidden = false;
  place('status').classList.add('error');
  place('status').setAttribute('role', 'alert');
  place('status').textContent = text;
}

async function start() {
  const page = await describe();
  introduce(page);
  place('status').textContent = 'Loading the model…';
  const model = await Model.load(page);
  const results = new Results(place('answer'), page.outputs);
  place('status').hidden = true;
  place('work').hidden = false;
  await LAYOUTS[page.layout](place('input'), page, questions(model, results));
  await check(model, page);
  document.documentElement.dataset.ready = 'yes';
  return {model, page};
}

// {model, page} once all is there.
export const ready = start();
ready.catch((error) => fail(`The model could not be loaded. ${error.message}`));
