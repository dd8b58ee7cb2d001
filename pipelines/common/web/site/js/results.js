// Shows a model's answers: classes and other short lists as bars, pictures, numbers.

import {element, spoken} from './dom.js';
import {newCanvas, show} from './pictures.js';

const MOST_SHOWN = 10;
const percent = (value) => `${(value * 100).toFixed(1)}%`;

export function numeral(value) {
  if (!Number.isFinite(value)) return 'not a number';
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4;
  return value.toLocaleString('en', {minimumFractionDigits: Number.isInteger(value) ? 0 : digits, maximumFractionDigits: digits});
}

// The shares of all classes: of two, the model may answer with the second's only.
export function shares(output, values) {
  return values.length === 1 && output.names.length === 2 ? [1 - values[0], values[0]] : values;
}

export class Results {
  constructor(place, outputs) {
    this.parts = outputs.map((output) => {
      const part = PARTS[output.kind](output);
      const title = outputs.length > 1 ? [element('h3', {}, spoken(output.name))] : [];
      place.append(element('div.output', {'data-output': output.name}, ...title, part.node));
      return {output, ...part};
    });
  }

  // answers: lists of numbers by output. Returns what to say of them, in words.
  show(answers) {
    const told = this.parts.map(({output, update}) => update(answers[output.name]));
    return told.filter((text) => text).join('. ');
  }
}

function classBars(output) {
  const rows = Math.min(output.names.length, MOST_SHOWN);
  const list = bars(rows);
  return {
    node: list.node,
    update(values) {
      const all = shares(output, values).map((value, number) => ({name: output.names[number], value}));
      const best = all.reduce((most, each) => (each.value > most.value ? each : most));
      const shown = all.length > rows ? [...all].sort((a, b) => b.value - a.value).slice(0, rows) : all;
      list.update(shown.map(({name, value}) => ({name, text: percent(value), from: 0, to: value, best: name === best.name})));
      return `${best.name}, ${percent(best.value)}`;
    },
  };
}

function numberBars(output) {
  if (output.dtype.startsWith('int')) return wholeNumbers(output);
  const list = bars(output.shape[0]);
  return {
    node: list.node,
    update(values) {
      const low = Math.min(0, ...values);
      const span = Math.max(0, ...values) - low || 1;
      const most = values.indexOf(Math.max(...values));
      list.update(values.map((value, number) => ({
        name: String(number + 1),
        text: numeral(value),
        from: (Math.min(0, value) - low) / span,
        to: (Math.max(0, value) - low) / span,
        best: number === most,
      })));
      return `${spoken(output.name)}: the largest is number ${most + 1}, ${numeral(values[most])}`;
    },
  };
}

// Whole numbers in a row are places or counts: bars would say nothing of them.
function wholeNumbers(output) {
  const node = element('p.number.small', {}, '–');
  return {
    node,
    update(values) {
      node.textContent = values.map(numeral).join(', ');
      return `${spoken(output.name)}: ${node.textContent}`;
    },
  };
}

function bars(count) {
  const rows = Array.from({length: count}, () => {
    const name = element('span.name');
    const fill = element('span.fill');
    const value = element('span.value');
    const row = element('li', {}, name, element('span.track', {'aria-hidden': 'true'}, fill), value);
    return {row, name, fill, value};
  });
  return {
    node: element('ul.bars', {}, ...rows.map(({row}) => row)),
    update(entries) {
      entries.forEach((entry, number) => {
        const {row, name, fill, value} = rows[number];
        name.textContent = entry.name;
        value.textContent = entry.text;
        fill.style.left = `${entry.from * 100}%`;
        fill.style.width = `${Math.max(0, entry.to - entry.from) * 100}%`;
        row.classList.toggle('best', entry.best);
      });
    },
  };
}

function oneNumber(output) {
  const node = element(output.dtype.startsWith('int') ? 'p.number.small' : 'p.number', {}, '–');
  return {
    node,
    update([value]) {
      node.textContent = numeral(value);
      return `${spoken(output.name)}: ${numeral(value)}`;
    },
  };
}

function picture(output) {
  const [height, width, channels = 1] = output.shape;
  const canvas = newCanvas(width, height);
  canvas.className = 'picture';
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', spoken(output.name));
  return {
    node: canvas,
    update(values) {
      show(canvas, {width, height, channels, data: values.map((value) => value * 255)}); // models answer with 0…1
      return '';
    },
  };
}

// Too many numbers for bars: a strip, from the least (dark) to the largest.
function strip(output) {
  const size = output.shape.reduce((product, length) => product * length, 1);
  const canvas = newCanvas(size, 1);
  canvas.className = 'strip';
  canvas.setAttribute('role', 'img');
  const caption = element('p.hint');
  return {
    node: element('div', {}, canvas, caption),
    update(values) {
      const low = values.reduce((least, value) => Math.min(least, value), Infinity);
      const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
      show(canvas, {width: size, height: 1, channels: 1, data: values.map((value) => (255 * (value - low)) / (high - low || 1))});
      caption.textContent = `${size} numbers, from ${numeral(low)} (dark) to ${numeral(high)} (light)`;
      canvas.setAttribute('aria-label', `${spoken(output.name)}: ${caption.textContent}`);
      return '';
    },
  };
}

const PARTS = {classes: classBars, numbers: numberBars, number: oneNumber, picture, many: strip};
