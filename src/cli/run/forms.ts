/** Values with fewer bytes are not looked for: they would be found everywhere and tell nobody anything. */
export const leastMaskedBytes = 4;
/** Of a value with several lines, lines of this length are looked for by themselves as well. */
const leastLineBytes = 8;
const unpadded = (text: string): string => text.replace(/=+$/, '');
const urlSafe = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_');

/**
 * What a value looks like inside base64 (RFC 4648) when `before` bytes of its first group of three come from what
 * stands before it: the characters that depend on the value alone, and the two ways in which an encoding that ends with
 * the value is written.
 */
const base64At = (value: Buffer, before: number): string[] => {
  const start = Math.ceil((8 * before) / 6);
  const end = Math.floor((8 * (before + value.length)) / 6);
  const padded = Buffer.concat([Buffer.alloc(before), value])
    .toString('base64')
    .slice(start);
  return [padded.slice(0, end - start), unpadded(padded), padded];
};

const base64Forms = (value: Buffer): string[] => {
  const standard = [0, 1, 2].flatMap((before) => base64At(value, before));
  return [...standard, ...standard.map(urlSafe)];
};

const percent = (mark: string): string => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`;

/** encodeURIComponent, RFC 3986 to the letter, with the slash left alone, and as a form; in both cases of the digits. */
const urlForms = (value: string): string[] => {
  const component = encodeURIComponent(value);
  const strict = component.replaceAll(/[!'()*]/g, percent);
  const forms = [
    component,
    strict,
    strict.replaceAll('%2F', '/'),
    new URLSearchParams({ v: value }).toString().slice(2),
  ];
  const all = [...forms, strict.replaceAll('%20', '+'), component.replaceAll('%20', '+')];
  return [...all, ...all.map((form) => form.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
};

const escapedUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Inside a JSON text: as JavaScript, as ASCII only (Python), with `\/` (PHP), and with `<>&` escaped (Go). */
const jsonForms = (value: string): string[] => {
  const plain = JSON.stringify(value).slice(1, -1);
  const ascii = plain.replaceAll(/[\u007f-\uffff]/g, escapedUnit);
  const all = [
    plain,
    ascii,
    ascii.replaceAll('/', '\\/'),
    plain.replaceAll('/', '\\/'),
    plain.replaceAll(/[<>&]/g, escapedUnit),
  ];
  return [
    ...all,
    ...all.map((form) => form.replaceAll(/\\u[0-9a-f]{4}/g, (code) => `\\u${code.slice(2).toUpperCase()}`)),
  ];
};

const wholeForms = (value: string): string[] => [
  value,
  value.replaceAll(/\r?\n/g, '\r\n'),
  ...urlForms(value),
  ...jsonForms(value),
];

const linesOf = (value: string): string[] => {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  return lines.length < 2 ? [] : lines.filter((line) => Buffer.byteLength(line) >= leastLineBytes);
};

const long = (text: string): boolean => Buffer.byteLength(text) >= leastMaskedBytes;

/** The value, and without the white space around it; none where that is too short. */
const spellings = (value: string): string[] => [value, value.trim()].filter(long);

const bytesOf = (texts: readonly string[]): Buffer[] => [...new Set(texts)].map((text) => Buffer.from(text));

/**
 * The forms in which values are looked for in output as it is, each once: as they are and without the white space around
 * them, line by line, URL-encoded and JSON-escaped. Values shorter than `leastMaskedBytes` have none.
 */
export const formsOf = (values: readonly string[]): Buffer[] =>
  bytesOf(values.filter(long).flatMap((value) => [...spellings(value).flatMap(wholeForms), ...linesOf(value)]));

/**
 * Their forms in base64, in its three alignments, standard and url-safe, padded or not: looked for in output without its
 * line ends, since whoever encodes breaks lines wherever that falls in the value.
 */
export const base64FormsOf = (values: readonly string[]): Buffer[] =>
  bytesOf(values.filter(long).flatMap((value) => spellings(value).flatMap((one) => base64Forms(Buffer.from(one)))));
