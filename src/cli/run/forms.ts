/** Shorter values are not masked: they would match everywhere. */
export const minMaskedBytes = 4;
/** Lines of a multi-line value that are at least this long are also masked by themselves. */
const minLineBytes = 8;
const unpadded = (text: string): string => text.replace(/=+$/, '');
const urlSafe = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_');

/**
 * What a value looks like inside base64 (RFC 4648) when `before` bytes of its first group of three belong to preceding
 * data: the characters that depend on the value alone, and the padded and unpadded end of an encoding that ends with
 * the value.
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

/**
 * encodeURIComponent, strict RFC 3986, with slashes kept, and form encoding; each with upper- and lower-case digits.
 */
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

/** Inside JSON: as JavaScript writes it, in ASCII (Python), with `\/` (PHP), and with `<>&` escaped (Go). */
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
  value.replaceAll('\r\n', '\n'),
  ...urlForms(value),
  ...jsonForms(value),
];

const linesOf = (value: string): string[] => {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  return lines.length < 2 ? [] : lines.filter((line) => Buffer.byteLength(line) >= minLineBytes);
};

const isLongEnough = (text: string): boolean => Buffer.byteLength(text) >= minMaskedBytes;

/** The value, and the value without surrounding white space, where they are long enough. */
const trimmings = (value: string): string[] => [value, value.trim()].filter(isLongEnough);

const hexForms = (value: string): string[] => {
  const hex = Buffer.from(value).toString('hex');
  return [hex, hex.toUpperCase()];
};

/** A shorter password of a URL, or one that is the user's name, is too common a word to mask wherever it stands. */
const minPasswordBytes = 8;

/** User and password of a URL as they stand there, also of one that `URL` cannot read, such as with several hosts. */
const userinfo = /^\s*[a-z][\w+.:-]*:\/\/([^\s:@/]*):([^\s]+?)@[^@\s]*\s*$/i;

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** The password of a URL, as it stands there, decoded, and as URL-encoding writes it. */
const passwordsOf = (value: string): string[] => {
  const [, user = '', password = ''] = userinfo.exec(value) ?? [];
  const all = [password, decoded(password)];
  const isCommon = all.some((one) => one.trim() === '' || one === user || one === decoded(user));
  return isCommon ? [] : all.filter((one) => Buffer.byteLength(one) >= minPasswordBytes);
};

/** What is masked: each value that is long enough, trimmed too, and the password of one that is a URL. */
const maskedOf = (values: readonly string[]): string[] => [
  ...new Set(values.flatMap((value) => [value, ...passwordsOf(value)]).flatMap(trimmings)),
];

/**
 * The forms of values to search for in output: as they are and trimmed, line by line, URL-encoded, JSON-escaped and in
 * hexadecimal. Values shorter than `minMaskedBytes` have none. A form may come twice.
 */
export function* formsOf(values: readonly string[]): Generator<Buffer> {
  for (const value of maskedOf(values))
    for (const form of [...wholeForms(value), ...hexForms(value), ...linesOf(value)]) yield Buffer.from(form);
}

/**
 * Their base64 forms, in its three alignments, standard and URL-safe, padded and unpadded. They are searched for in
 * output without its newlines, since encoders break lines anywhere in the value.
 */
export function* base64FormsOf(values: readonly string[]): Generator<Buffer> {
  for (const value of maskedOf(values)) for (const form of base64Forms(Buffer.from(value))) yield Buffer.from(form);
}
