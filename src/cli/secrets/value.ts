import { isUtf8 } from 'node:buffer';
import { randomInt } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, systemErrorText, usage } from '../failure.ts';

/** The service's maximum for a value. */
const maxBytes = 65_536;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A random value of letters and digits, which shells, URLs and configuration files take as they are. */
const generated = (length: string): string => {
  const count = Number(length);
  if (!/^\d{1,4}$/.test(length) || count < 8 || count > 4096)
    throw usage('--length must be a whole number from 8 to 4096.');
  return Array.from({ length: count }, () => alphabet[randomInt(alphabet.length)]).join('');
};

/** The text of a value's bytes. Nothing is repaired, since a value must come back as it was given. Throws usage. */
export const textOf = (bytes: Uint8Array): string => {
  if (bytes.length > maxBytes) throw usage(`A value has at most ${maxBytes} bytes.`);
  if (bytes.length === 0) throw usage('The value is empty.');
  if (!isUtf8(bytes)) throw usage('The value is not UTF-8 text. Encode it first, for example in base64.');
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
};

const unreadable = (error: unknown): CliFailure =>
  new CliFailure(exitCodes.usage, `The file cannot be read: ${systemErrorText(error) ?? 'it failed'}.`, {
    cause: error,
  });

const fileBytes = async (path: string): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { end: maxBytes })) chunks.push(chunk as Buffer);
  } catch (error) {
    throw unreadable(error);
  }
  return Buffer.concat(chunks);
};

/** Programs end their output with a newline that is not part of the value; one is left out. */
const withoutNewline = (text: string): string => text.replace(/\r?\n$/, '');

const prompted = async (context: CliContext, name: string): Promise<string> => {
  const value = await context.input.hidden(`Value of ${name} (not shown): `);
  return textOf(Buffer.from(value));
};

export interface ValueOptions {
  readonly file?: string;
  readonly generate?: boolean;
  readonly length: string;
}

/** Reads the value from where the options say: generated, a file, stdin, or a prompt. Throws usage. */
export const readValue = async (context: CliContext, name: string, options: ValueOptions): Promise<string> => {
  if (options.generate && options.file !== undefined) throw usage('Pass either --generate or --file, not both.');
  if (options.generate) return generated(options.length);
  if (options.file !== undefined && options.file !== '-') return textOf(await fileBytes(options.file));
  if (context.input.canPrompt && options.file !== '-') return await prompted(context, name);
  const value = withoutNewline(textOf(await context.input.all(maxBytes + 2)));
  return textOf(Buffer.from(value));
};
