// The operations on texts. TensorFlow's texts are bytes of UTF-8; here they are JavaScript's, which can hold the same.

import {map, tensor} from './tensors.js';

const BYTES = new TextEncoder();
const WHITE = '[\\t\\n\\v\\f\\r ]'; // what TensorFlow takes for white space: that of ASCII
const AT_ENDS = new RegExp(`^${WHITE}+|${WHITE}+$`, 'g');
const BETWEEN = new RegExp(`${WHITE}+`);
const patterns = new Map();

function pattern(source, flags) {
  const key = `${flags} ${source}`;
  if (!patterns.has(key)) patterns.set(key, new RegExp(source, flags));
  return patterns.get(key);
}

function replace([input], {pattern: source, rewrite, replace_global: all}) {
  return map(input, (text) => text.replace(pattern(source, all ? 'gu' : 'u'), rewrite));
}

function matches([input], {pattern: source}) {
  return map(input, (text) => Number(pattern(`^(?:${source})$`, 'u').test(text)), 'bool');
}

// Halves of surrogate pairs have no form in UTF-8.
function transcode([input], {replacement_char: other}) {
  return map(input, (text) => text.replace(/\p{Cs}/gu, String.fromCodePoint(other)));
}

function lengths([input], {unit}) {
  return map(input, (text) => (unit === 'BYTE' ? BYTES.encode(text).length : [...text].length), 'int64');
}

// Splits at white space; row by row [indices, words, shape].
function split([input]) {
  const rows = Array.from(input.data, (text) => text.split(BETWEEN).filter((word) => word));
  const places = rows.flatMap((words, row) => words.flatMap((_, at) => [row, at]));
  const words = rows.flat();
  return [
    tensor('int64', [words.length, 2], places),
    tensor('string', [words.length], words),
    tensor('int64', [2], [rows.length, Math.max(0, ...rows.map((row) => row.length))]),
  ];
}

// Keys of a table to numbers. A table's data is a Map.
function find([table, keys, other]) {
  return tensor('int64', keys.shape, Array.from(keys.data, (key) => table.data.get(key) ?? other.data[0]));
}

export const texts = {
  StaticRegexReplace: replace,
  StaticRegexFullMatch: matches,
  UnicodeTranscode: transcode,
  StringLower: ([input], {encoding}) => map(input, (text) => (encoding ? text.toLowerCase() : text.replace(/[A-Z]+/g, (part) => part.toLowerCase()))),
  StringStrip: ([input]) => map(input, (text) => text.replace(AT_ENDS, '')),
  StringLength: lengths,
  StringSplitV2: split,
  StringToNumber: ([input], {out_type: dtype}) => map(input, Number, dtype),
  AsString: ([input]) => map(input, String, 'string'),
  LookupTableFindV2: find,
};
