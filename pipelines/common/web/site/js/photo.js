// A colour picture as input: chosen, dropped or pasted. Its middle is brought to the model's size.

import {button, element} from './dom.js';
import {bytesOf, middleOf, newCanvas, resized, show} from './pictures.js';

const PREVIEW = 288;

// The numbers that a picture file is for the model, and the pixels that were looked at.
export async function pixelsOf(file, input) {
  const [height, width] = input.shape;
  const whole = await middleOf(file, width / height);
  const {data} = resized(whole, width, height);
  return {whole, data: input.encoded ? Float32Array.from(data) : Uint8Array.from(data)};
}

// A recorded picture: a file, or pixels.
async function sampled(sample, input) {
  const bytes = bytesOf(sample.inputs[input.name]);
  if (input.encoded) return pixelsOf(new Blob([bytes]), input);
  const [height, width] = input.shape;
  return {whole: {width, height, channels: 3, data: bytes}, data: bytes};
}

export async function mount(place, page, ask) {
  const [input] = page.inputs;
  const [height, width] = input.shape;
  const preview = newCanvas(width, height);
  const seen = newCanvas(width, height);
  const problem = element('p.field-error', {role: 'alert'});
  preview.setAttribute('role', 'img');
  seen.setAttribute('role', 'img');
  seen.setAttribute('aria-label', 'What the model sees');
  let turn = 0;

  async function use(from, name) {
    turn += 1;
    const mine = turn;
    try {
      const {whole, data} = await from();
      if (mine !== turn) return; // another one was chosen meanwhile
      problem.textContent = '';
      const scale = Math.min(1, PREVIEW / Math.max(whole.width, whole.height));
      show(preview, scale < 1 ? resized(whole, Math.round(whole.width * scale), Math.round(whole.height * scale)) : whole);
      preview.style.imageRendering = whole.width < PREVIEW ? 'pixelated' : 'auto';
      preview.setAttribute('aria-label', name);
      show(seen, {width, height, channels: 3, data});
      ask({[input.name]: data});
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  const useFile = (file) => file && use(() => pixelsOf(file, input), file.name || 'Pasted picture');
  const chooser = element('input', {type: 'file', accept: 'image/*', id: 'file'});
  chooser.addEventListener('change', () => {
    useFile(chooser.files[0]);
    chooser.value = ''; // so that the same file can be chosen again
  });
  const zone = element('div.drop', {},
    preview,
    element('div.row', {}, element('label.file.main', {for: 'file'}, 'Choose a picture', chooser)),
    element('p.hint', {}, 'or drop one here, or paste one'));
  const pictured = (transfer) => [...(transfer?.files ?? [])][0];
  zone.addEventListener('dragover', (event) => {
    event.preventDefault();
    zone.classList.add('over');
  });
  zone.addEventListener('dragleave', () => zone.classList.remove('over'));
  for (const name of ['dragover', 'drop']) window.addEventListener(name, (event) => event.preventDefault()); // beside the zone: stay on the page
  zone.addEventListener('drop', (event) => {
    zone.classList.remove('over');
    useFile(pictured(event.dataTransfer));
  });
  window.addEventListener('paste', (event) => useFile(pictured(event.clipboardData)));

  place.append(zone, problem, element('div.seen', {}, seen, element('p.hint', {}, `What the model sees: the middle, at ${width} × ${height} pixels.`)));
  if (!page.samples.length) {
    ask(null, 'Choose a picture.');
    return;
  }
  const list = element('ul.chips');
  place.append(element('p.label', {}, 'Examples'), list);
  for (const [number, sample] of page.samples.entries()) {
    const thumbnail = newCanvas(width, height);
    show(thumbnail, {width, height, channels: 3, data: (await sampled(sample, input)).data});
    const name = `Example ${number + 1}`;
    const pick = button('', () => use(() => sampled(sample, input), name), 'thumbnail');
    pick.setAttribute('aria-label', name);
    pick.append(thumbnail);
    list.append(element('li', {}, pick));
  }
  await use(() => sampled(page.samples[0], input), 'Example 1');
}
