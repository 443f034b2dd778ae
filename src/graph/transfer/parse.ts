import type { Readable } from 'node:stream';
import { KeyholdError } from '../../core/errors.ts';
import { repeatsName } from '../../core/json.ts';
import type { TransferFormat } from '../operations.ts';
import { BadLines } from './bad-lines.ts';
import { readDocument } from './document.ts';
import { readRecord } from './memory-server.ts';
import { type Imported, maxTransferBytes, Records } from './records.ts';

const tooMuch = (detail: string): KeyholdError => new KeyholdError('payload_too_large', detail);
const malformed = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', detail, { cause });

/** A JSON text; undefined where it is none, or names a member twice. */
const parseJson = (text: string): unknown => {
  try {
    const value: unknown = JSON.parse(text);
    return repeatsName(text) ? undefined : value;
  } catch {
    return undefined;
  }
};

/** The text of a body, piece by piece, without a byte order mark. Throws `invalid_request` unless it is UTF-8. */
async function* textOf(body: Readable): AsyncGenerator<string> {
  // TextDecoder leaves out one leading byte order mark.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw malformed('The import is not valid UTF-8. Nothing was imported.', cause);
    }
  };
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk as Buffer);
    size += bytes.length;
    if (size > maxTransferBytes) throw tooMuch('An import can have at most 64 MiB. Divide it into several files.');
    yield decode(bytes);
  }
  yield decode();
}

/** The lines of a text that comes in pieces, each with its number, without line ends. */
async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<readonly [number: number, line: string]> {
  let number = 0;
  let rest: string[] = [];
  for await (const piece of pieces) {
    const [first = '', ...others] = piece.split('\n');
    rest.push(first);
    for (const line of others) {
      number += 1;
      yield [number, rest.join('')];
      rest = [line];
    }
  }
  yield [number + 1, rest.join('')];
}

const readLines = async (body: Readable, records: Records, bad: BadLines): Promise<void> => {
  for await (const [number, raw] of linesOf(textOf(body))) {
    const line = raw.trim();
    if (line === '') continue;
    const place = `line ${number}`;
    const value = parseJson(line);
    if (value === undefined) bad.add(place, 'must be one JSON object, with no other on the line and no name twice.');
    else readRecord(value, place, records, bad);
  }
};

const readWhole = async (body: Readable, records: Records, bad: BadLines): Promise<void> => {
  const pieces: string[] = [];
  for await (const piece of textOf(body)) pieces.push(piece);
  const text = pieces.join('').trim();
  if (text === '') return;
  const value = parseJson(text);
  if (value !== undefined && !isRecord(value)) return readDocument(value, records, bad);
  if (isRecord(value ?? parseJson(text.slice(0, text.indexOf('\n')).trim())))
    throw malformed('These are JSON lines, and not one JSON document. Import them with format=jsonl.');
  throw malformed('The import is not one valid JSON document without repeated names. Nothing was imported.');
};

/** Whether this is a line of a memory server. */
const isRecord = (value: unknown): boolean => value !== null && typeof value === 'object' && 'type' in value;

/**
 * Reads an import. Throws `invalid_request` with all that is wrong with it, the first hundred places, and
 * `payload_too_large` for more than an import can have.
 */
export const parseImport = async (body: Readable, format: TransferFormat): Promise<Imported> => {
  const records = new Records();
  const bad = new BadLines();
  await (format === 'jsonl' ? readLines : readWhole)(body, records, bad);
  bad.refuse();
  return records;
};
