/** Values with fewer bytes are not looked for: they would be found everywhere and tell nobody anything. */
export const leastMaskedBytes = 4;
/** Of a value with several lines, lines of this length are looked for by themselves as well. */
const leastLineBytes = 8;
/** `base64` of GNU and `openssl base64` break their lines here. */
const lineWidths = [76, 64];

const unpadded = (text: string): string => text.replace(/=+$/, '');
const urlSafe = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_');
const wrapped = (text: string, width: number): string => text.replace(new RegExp(`(.{${width}})(?=.)`, 'g'), '$1\n');

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
  const lines = lineWidths.flatMap((width) =>
    base64At(value, 0)
      .filter((whole) => whole.length > width)
      .map((whole) => wrapped(whole, width)),
  );
  return [...standard, ...standard.map(urlSafe), ...lines];
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
  ...base64Forms(Buffer.from(value)),
  ...urlForms(value),
  ...jsonForms(value),
];

const linesOf = (value: string): string[] => {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  return lines.length < 2 ? [] : lines.filter((line) => Buffer.byteLength(line) >= leastLineBytes);
};

/**
 * Every form in which values are looked for in output, each once: as they are and without the white space around them,
 * line by line, base64 in its three alignments (standard and url-safe, padded or not, in lines), URL-encoded and
 * JSON-escaped. Values shorter than `leastMaskedBytes` have none.
 */
export const formsOf = (values: readonly string[]): Buffer[] => {
  const long = (text: string): boolean => Buffer.byteLength(text) >= leastMaskedBytes;
  const texts = values
    .filter(long)
    .flatMap((value) => [...[value, value.trim()].filter(long).flatMap(wholeForms), ...linesOf(value)]);
  return [...new Set(texts)].map((text) => Buffer.from(text));
};
