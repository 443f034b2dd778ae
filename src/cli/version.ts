import { readFileSync } from 'node:fs';

const own = (text: string): string => (JSON.parse(text) as { version: string }).version;

/** This package's version. */
export const version = own(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
