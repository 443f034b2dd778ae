import { isUtf8 } from 'node:buffer';
import { randomInt } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, troubleOf, usage } from '../failure.ts';

/** The most bytes that a value has. */
const mostBytes = 65_536;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A random value of letters and digits: nothing that a shell, a URL or a configuration file would take amiss. */
const generated = (length: string): string => {
  const count = Number(length);
  if (!/^\d{1,4}$/.test(length) || count < 8 || count > 4096)
    throw usage('--length takes a whole number from 8 to 4096.');
  return Array.from({ length: count }, () => alphabet[randomInt(alphabet.length)]).join('');
};

/** The bytes as the text that they are; never repaired, since a value comes back as it went in. */
export const textOf = (bytes: Uint8Array): string => {
  if (bytes.length > mostBytes) throw usage(`A value has at most ${mostBytes} bytes.`);
  if (bytes.length === 0) throw usage('The value is empty.');
  if (!isUtf8(bytes)) throw usage('The value is not UTF-8 text. Encode it first, for instance by base64.');
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
};

const unreadable = (error: unknown): CliFailure =>
  new CliFailure(exitCodes.usage, `The file cannot be read: ${troubleOf(error) ?? 'it failed'}.`, { cause: error });

const fileBytes = async (path: string): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { end: mostBytes })) chunks.push(chunk as Buffer);
  } catch (error) {
    throw unreadable(error);
  }
  return Buffer.concat(chunks);
};

/** What programs print ends in a line end that is not meant; only one is taken off. */
const withoutLineEnd = (text: string): string => text.replace(/\r?\n$/, '');

const asked = async (context: CliContext, name: string): Promise<string> => {
  const value = await context.input.hidden(`Value of ${name} (not shown): `);
  return textOf(Buffer.from(value));
};

export interface ValueOptions {
  readonly file?: string;
  readonly generate?: boolean;
  readonly length: string;
}

/** The value from where the options say: made, a file, stdin, or the person at the terminal. */
export const readValue = async (context: CliContext, name: string, options: ValueOptions): Promise<string> => {
  if (options.generate && options.file !== undefined) throw usage('Give either --generate or --file.');
  if (options.generate) return generated(options.length);
  if (options.file !== undefined && options.file !== '-') return textOf(await fileBytes(options.file));
  if (context.input.canAsk && options.file !== '-') return await asked(context, name);
  const value = withoutLineEnd(textOf(await context.input.all(mostBytes + 2)));
  return textOf(Buffer.from(value));
};
