// Texts, numbers and choices as input: a field for each, filled with a recorded row to begin with.

import {button, debounced, element, spoken} from './dom.js';

const PAUSE = 120; // milliseconds after a key
const MOST_OPTIONS = 60;

export function mount(place, page, ask) {
  const fields = page.inputs.map((input) => (input.kind === 'numbers' ? vector(input) : FIELDS[input.kind](input)));
  const only = fields.length === 1 && page.inputs[0].kind === 'text';

  function send() {
    const wrong = fields.filter((field) => !field.check());
    if (wrong.length) ask(null, 'Fill in the marked fields.');
    else ask(Object.fromEntries(fields.map((field) => [field.name, field.value()])));
  }

  function fill(sample) {
    for (const field of fields) field.set(sample.inputs[field.name]);
    send();
  }

  const soon = debounced(send, PAUSE);
  const form = element('form', {novalidate: true, oninput: soon, onsubmit: (event) => event.preventDefault()}, element('div.fields', {}, ...fields.map((field) => field.node)));
  place.append(form);
  if (only && page.samples.length) {
    const entries = page.samples.map((sample) => element('li', {}, textButton(sample.inputs[fields[0].name], () => fill(sample))));
    place.append(element('p.label', {}, 'Examples'), element('ul.chips', {}, ...entries));
  } else if (page.samples.length) {
    let next = 1;
    place.append(element('div.row', {}, button('Another real row', () => {
      fill(page.samples[next % page.samples.length]);
      next += 1;
    })));
  }
  if (page.samples.length) fill(page.samples[0]);
  else send();
}

function textButton(text, press) {
  const found = button('', press);
  found.append(element('span', {}, typeof text === 'string' ? text : 'example'));
  return found;
}

// A field: {name, node, value(), set(value), check()}; check marks what is wrong, and returns whether all is right.
function field(input, control, {wide = false, hint = '', read, write}) {
  const id = `field-${input.name}`;
  const problem = element('p.field-error', {id: `${id}-problem`});
  control.id = id;
  control.name = input.name;
  control.setAttribute('aria-describedby', `${id}-problem`);
  const label = spoken(input.name) + (input.optional ? ' (may be empty)' : '');
  return {
    name: input.name,
    node: element(wide ? 'div.wide' : 'div', {}, element('label', {for: id}, label), control, ...(hint ? [element('p.hint', {}, hint)] : []), problem),
    value: () => read(control),
    set: (value) => write(control, value),
    check() {
      const wrong = faults(input, control, read(control));
      problem.textContent = wrong;
      control.setAttribute('aria-invalid', String(Boolean(wrong)));
      return !wrong;
    },
  };
}

function faults(input, control, value) {
  if (input.kind !== 'number') return '';
  if (value === null && (!input.optional || control.validity.badInput)) return 'Expected a number.';
  if (value !== null && !input.dtype.startsWith('float') && !Number.isInteger(value)) return 'Expected a whole number.';
  return '';
}

function number(input) {
  const control = element('input', {type: 'number', step: input.dtype.startsWith('float') ? 'any' : '1', autocomplete: 'off'});
  return field(input, control, {
    read: ({value}) => (value === '' ? null : Number(value)),
    write: (target, value) => (target.value = value ?? ''),
  });
}

const texts = {read: ({value}) => value, write: (target, value) => (target.value = typeof value === 'string' ? value : '')};

function text(input) {
  return field(input, element('textarea', {rows: '5', autocomplete: 'off'}), {...texts, wide: true, hint: 'The answer follows as you type.'});
}

function string(input) {
  return field(input, element('input', {type: 'text', autocomplete: 'off'}), texts);
}

function choice(input) {
  const known = [...input.choices].sort((a, b) => a.localeCompare(b));
  if (known.length > MOST_OPTIONS) {
    const list = element('datalist', {id: `choices-${input.name}`}, ...known.map((value) => element('option', {value})));
    const found = field(input, element('input', {type: 'text', list: list.id, autocomplete: 'off'}), texts);
    found.node.append(list);
    return found;
  }
  const named = (value) => element('option', {value}, value || '(empty)');
  const control = element('select', {}, ...['', ...known].map(named));
  return field(input, control, {
    read: texts.read,
    write(target, value) {
      if (![...target.options].some((option) => option.value === value)) target.append(named(value ?? ''));
      target.value = value ?? '';
    },
  });
}

// A short list of numbers as one field each.
function vector(input) {
  const parts = Array.from({length: input.shape[0]}, (_, at) => number({...input, kind: 'number', name: `${input.name} ${at + 1}`}));
  return {
    name: input.name,
    node: element('div.fields.wide', {}, ...parts.map((part) => part.node)),
    value: () => parts.map((part) => part.value()),
    set: (values) => parts.forEach((part, at) => part.set(values[at])),
    check: () => parts.map((part) => part.check()).every((right) => right),
  };
}

const FIELDS = {number, text, string, choice};
