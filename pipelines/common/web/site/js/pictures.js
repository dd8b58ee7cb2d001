// Pictures to what a model takes. Pixels are {width, height, channels, data}, row by row.

const MOST = 2048; // pixels of a side that are looked at: larger pictures take much memory, and models take far smaller ones

// The largest part of that ratio (width to height) in the middle of a picture file, in colour; what is transparent is white.
// Throws where the file is no picture.
export async function middleOf(file, ratio) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {colorSpaceConversion: 'none', premultiplyAlpha: 'none'});
  } catch {
    throw new Error('This file is no picture that the browser can read. Choose a JPEG, PNG, WebP or GIF.');
  }
  const cut = {width: Math.floor(Math.min(bitmap.width, bitmap.height * ratio)), height: Math.floor(Math.min(bitmap.height, bitmap.width / ratio))};
  const scale = Math.min(1, MOST / Math.max(cut.width, cut.height));
  const width = Math.max(1, Math.round(cut.width * scale));
  const height = Math.max(1, Math.round(cut.height * scale));
  const canvas = newCanvas(width, height);
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.imageSmoothingQuality = 'high';
  const left = Math.floor((bitmap.width - cut.width) / 2);
  const top = Math.floor((bitmap.height - cut.height) / 2);
  context.drawImage(bitmap, left, top, cut.width, cut.height, 0, 0, width, height);
  bitmap.close();
  const colours = context.getImageData(0, 0, width, height).data;
  const data = new Float32Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const opacity = colours[pixel * 4 + 3] / 255;
    for (let channel = 0; channel < 3; channel++) {
      data[pixel * 3 + channel] = opacity === 1 ? colours[pixel * 4 + channel] : colours[pixel * 4 + channel] * opacity + 255 * (1 - opacity);
    }
  }
  return {width, height, channels: 3, data};
}

// Resizes as tf.image.resize does (bilinear, with every pixel of a larger picture taken into account), to whole numbers in 0…255.
// Source: TensorFlow's ScaleAndTranslate kernel.
export function resized(picture, width, height) {
  const tall = along(picture, height, true);
  const found = along(tall, width, false);
  return {...found, data: found.data.map((value) => Math.min(255, Math.max(0, halfToEven(value))))};
}

function halfToEven(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

function along({width, height, channels, data}, size, vertical) {
  const length = vertical ? height : width;
  const others = vertical ? width : height;
  const out = new Float32Array(size * others * channels);
  const at = (place, other) => (vertical ? place * width + other : other * width + place) * channels;
  spans(length, size).forEach(({first, weights}, place) => {
    for (let other = 0; other < others; other++) {
      const target = (vertical ? place * width + other : other * size + place) * channels;
      weights.forEach((weight, offset) => {
        const source = at(first + offset, other);
        for (let channel = 0; channel < channels; channel++) out[target + channel] += Math.fround(weight * data[source + channel]);
      });
    }
  });
  return vertical ? {width, height: size, channels, data: out} : {width: size, height, channels, data: out};
}

// Which pixels each new one is made of, and how much of each: a triangle, as wide as what the new pixel covers. In 32 bits, as there.
function spans(from, to) {
  const f = Math.fround;
  const inverse = f(1 / f(to / from));
  const radius = Math.max(inverse, 1);
  return Array.from({length: to}, (_, place) => {
    const middle = f((place + 0.5) * inverse);
    const first = Math.min(Math.max(Math.ceil(f(f(middle - radius) - 0.5)), 0), from - 1);
    const last = Math.min(Math.max(Math.floor(f(f(middle + radius) - 0.5)), 0), from - 1);
    const weights = [];
    let total = 0;
    for (let source = first; source <= last; source++) {
      const weight = f(Math.max(0, f(1 - Math.abs(f(f(source + 0.5 - middle) * f(1 / radius))))));
      weights.push(weight);
      total = f(total + weight);
    }
    const share = f(1 / total);
    return {first, weights: weights.map((weight) => f(weight * share))};
  });
}

export function newCanvas(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

// Shows pixels of 0…255 on a canvas, which gets their size.
export function show(canvas, {width, height, channels, data}) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) image.data[pixel * 4 + channel] = data[pixel * channels + (channels === 1 ? 0 : channel)];
    image.data[pixel * 4 + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

// Bytes of a sample of page.json.
export function bytesOf({base64}) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
