// Inputs that nobody writes by hand: noise that pictures are made of, and recorded observations.

import {button, element} from './dom.js';
import {bytesOf, newCanvas, show} from './pictures.js';

const STEPS = 360;

function numbersOf(value) {
  return Array.isArray(value) ? value : bytesOf(value);
}

// Noise: a slider goes in a circle through two recorded draws, and a button takes two others. With weights cos and sin, a sum of two
// independent draws of mean 0 has their covariance; of normal noise it has their distribution.
export function mountNoise(place, page, ask) {
  const [input] = page.inputs;
  const draws = page.samples.map((sample) => numbersOf(sample.inputs[input.name]));
  const state = {pair: [0, 1 % draws.length]};
  const slider = element('input', {type: 'range', id: 'turn', min: '0', max: String(STEPS - 1), value: '0'});
  slider.style.width = '100%';

  function send() {
    const angle = (Number(slider.value) / STEPS) * 2 * Math.PI;
    const [one, other] = state.pair.map((number) => draws[number]);
    ask({[input.name]: Float32Array.from(one, (value, at) => value * Math.cos(angle) + other[at] * Math.sin(angle))});
  }

  function another() {
    const one = Math.floor(Math.random() * draws.length);
    const other = draws.length > 1 ? (one + 1 + Math.floor(Math.random() * (draws.length - 1))) % draws.length : one;
    state.pair = [one, other];
    slider.value = String(Math.floor(Math.random() * STEPS));
    send();
  }

  slider.addEventListener('input', send);
  place.append(
    element('div.row', {}, button('Another', another, 'main')),
    element('label', {for: 'turn'}, 'Turn the noise'),
    slider,
    element('p.hint', {}, `The picture is made of ${draws[0].length} random numbers; the slider changes them little by little.`),
  );
  send();
}

// Recorded inputs, one after the other; of pictures that lie over each other the last is shown.
export function mountRecorded(place, page, ask) {
  const [input] = page.inputs;
  const [height, width, channels] = input.shape.length === 3 ? input.shape : [1, input.shape[0], 1];
  const canvas = newCanvas(width, height);
  canvas.className = height > 1 ? 'picture' : 'strip';
  canvas.setAttribute('role', 'img');
  const caption = element('p.hint', {role: 'status'});
  let at = 0;

  function send() {
    const data = numbersOf(page.samples[at].inputs[input.name]);
    const low = height > 1 ? 0 : Math.min(...data);
    const high = height > 1 ? 255 : Math.max(...data);
    const last = Array.from({length: width * height}, (_, pixel) => data[pixel * channels + channels - 1]);
    show(canvas, {width, height, channels: 1, data: last.map((value) => (255 * (value - low)) / (high - low || 1))});
    caption.textContent = `Recorded example ${at + 1} of ${page.samples.length}`;
    canvas.setAttribute('aria-label', caption.textContent);
    ask({[input.name]: data});
  }

  const go = (step) => () => {
    at = (at + step + page.samples.length) % page.samples.length;
    send();
  };
  place.append(canvas, caption, element('div.row', {}, button('Previous', go(-1)), button('Next', go(1), 'main')));
  send();
}
