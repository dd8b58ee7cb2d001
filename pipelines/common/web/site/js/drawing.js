// A grey picture as input: a pad to draw on with mouse, finger, pen or keys. What is drawn is brought to the model's size as the pictures of
// MNIST were: scaled to a box in the middle, and moved there by its centre of mass.
// Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST Database of Handwritten Digits".

import {button, element} from './dom.js';
import {bytesOf, newCanvas, resized, show} from './pictures.js';

const SIDE = 392; // of the pad, in its own pixels
const BOX = 20 / 28; // of the model's picture
const STROKE = 1 / 14; // of the pad
const FAINT = 16; // less ink is none
const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

export function mount(place, page, ask) {
  const [input] = page.inputs;
  const [height, width] = input.shape;
  const unit = SIDE / Math.max(height, width);
  const ink = page.light ? '#000' : '#fff';
  const paper = page.light ? '#fff' : '#000';
  const pad = newCanvas(Math.round(width * unit), Math.round(height * unit));
  const context = pad.getContext('2d', {willReadFrequently: true});
  const seen = newCanvas(width, height);
  const cursor = {x: width / 2, y: height / 2, down: false};
  const state = {sample: false, next: 0, at: null};
  const mark = element('span.cursor', {'aria-hidden': 'true'});
  const penState = element('span', {role: 'status'});

  pad.id = 'pad';
  pad.tabIndex = 0;
  pad.setAttribute('role', 'application');
  pad.setAttribute('aria-label', 'Drawing pad');
  pad.setAttribute('aria-describedby', 'pad-keys');
  seen.setAttribute('role', 'img');
  seen.setAttribute('aria-label', 'What the model sees');

  function blank() {
    context.fillStyle = paper;
    context.fillRect(0, 0, pad.width, pad.height);
    state.sample = false;
  }

  function clear() {
    blank();
    state.at = null;
    cursor.down = false;
    showCursor();
  }

  function line(from, to) {
    if (state.sample) blank(); // who draws begins anew
    context.strokeStyle = ink;
    context.lineWidth = STROKE * SIDE;
    context.lineCap = context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y + 0.01); // a line to the same point is a dot in all browsers
    context.stroke();
  }

  function send() {
    const drawn = centred(inkOf(context, page.light), width, height);
    if (!drawn) {
      show(seen, {width, height, channels: 1, data: new Uint8Array(width * height).fill(page.light ? 255 : 0)});
      ask(null, 'Draw something.');
      return;
    }
    if (page.light) drawn.data = drawn.data.map((value) => 255 - value);
    show(seen, drawn);
    ask({[input.name]: Uint8Array.from(drawn.data)});
  }

  function sample() {
    const data = bytesOf(page.samples[state.next % page.samples.length].inputs[input.name]);
    state.next += 1;
    clear();
    const picture = newCanvas(width, height);
    show(picture, {width, height, channels: 1, data});
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, pad.width, pad.height);
    state.sample = true;
    show(seen, {width, height, channels: 1, data});
    ask({[input.name]: data});
  }

  function pointOf(event) {
    const box = pad.getBoundingClientRect();
    return {x: ((event.clientX - box.left) / box.width) * pad.width, y: ((event.clientY - box.top) / box.height) * pad.height};
  }

  pad.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    state.at = pointOf(event);
    line(state.at, state.at);
    send();
  });
  pad.addEventListener('pointermove', (event) => {
    if (!state.at || !(event.buttons & 1)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const to = pointOf(each);
      line(state.at, to);
      state.at = to;
    }
    send();
  });
  for (const name of ['pointerup', 'pointercancel']) pad.addEventListener(name, () => (state.at = null));

  function showCursor() {
    mark.style.left = `${(cursor.x / width) * 100}%`;
    mark.style.top = `${(cursor.y / height) * 100}%`;
    mark.classList.toggle('down', cursor.down);
  }
  pad.addEventListener('keydown', (event) => {
    const pointAt = () => ({x: cursor.x * unit, y: cursor.y * unit});
    if (event.key in MOVES) {
      const from = pointAt();
      const steps = event.shiftKey ? 4 : 1;
      cursor.x = Math.min(width - 1, Math.max(1, cursor.x + MOVES[event.key][0] * steps));
      cursor.y = Math.min(height - 1, Math.max(1, cursor.y + MOVES[event.key][1] * steps));
      if (cursor.down) {
        line(from, pointAt());
        send();
      }
    } else if (event.key === ' ' || event.key === 'Enter') {
      const down = !cursor.down;
      if (down) {
        line(pointAt(), pointAt());
        send();
      }
      cursor.down = down;
      penState.textContent = down ? 'The pen is down.' : 'The pen is up.';
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      clear();
      send();
      penState.textContent = 'The pad is empty.';
    } else {
      return;
    }
    event.preventDefault();
    showCursor();
  });

  const frame = element('div.pad', {}, pad, mark);
  frame.style.setProperty('--ratio', `${width} / ${height}`);
  frame.style.setProperty('--paper', paper);
  const examples = page.samples.length ? [button('A real example', sample)] : [];
  place.append(
    frame,
    element('div.row', {}, button('Clear', () => {
      clear();
      send();
    }), ...examples),
    element('div.seen', {}, seen, element('p.hint', {}, `What the model sees: ${width} × ${height} pixels, scaled and centred.`)),
    element('p.hint', {id: 'pad-keys'}, 'Draw with mouse, finger or pen. By keyboard: arrow keys move (with Shift faster), Space lowers and lifts the pen, Delete clears. ', penState),
  );
  clear();
  if (page.samples.length) sample();
  else send();
}

// How much ink is where, 0…255.
function inkOf(context, light) {
  const {width, height} = context.canvas;
  const colours = context.getImageData(0, 0, width, height).data;
  const data = new Float32Array(width * height);
  for (let pixel = 0; pixel < data.length; pixel++) data[pixel] = light ? 255 - colours[pixel * 4] : colours[pixel * 4];
  return {width, height, channels: 1, data};
}

// A drawing at the model's size, or null where there is none.
export function centred(drawing, width, height) {
  const cut = boundingBox(drawing);
  if (!cut) return null;
  const box = BOX * Math.min(width, height);
  const scale = box / Math.max(cut.width, cut.height, drawing.width / 4); // a dot stays small
  const small = resized(cut, Math.max(1, Math.round(cut.width * scale)), Math.max(1, Math.round(cut.height * scale)));
  let total = 0;
  let x = 0;
  let y = 0;
  small.data.forEach((value, pixel) => {
    total += value;
    x += value * (pixel % small.width);
    y += value * Math.floor(pixel / small.width);
  });
  const inside = (start, length, all) => Math.min(Math.max(Math.round(start), 0), Math.max(0, all - length));
  const left = inside(width / 2 - 0.5 - x / total, small.width, width);
  const top = inside(height / 2 - 0.5 - y / total, small.height, height);
  const data = new Float32Array(width * height);
  small.data.forEach((value, pixel) => {
    const row = top + Math.floor(pixel / small.width);
    const column = left + (pixel % small.width);
    if (row < height && column < width) data[row * width + column] = value;
  });
  return {width, height, channels: 1, data};
}

function boundingBox({width, height, data}) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  data.forEach((value, pixel) => {
    if (value < FAINT) return;
    const x = pixel % width;
    const y = Math.floor(pixel / width);
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  if (right < 0) return null;
  const cut = new Float32Array((right - left + 1) * (bottom - top + 1));
  let at = 0;
  for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) cut[at++] = data[y * width + x];
  return {width: right - left + 1, height: bottom - top + 1, channels: 1, data: cut};
}
