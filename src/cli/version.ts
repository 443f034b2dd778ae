import { readFileSync } from 'node:fs';

const versionOf = (text: string): string => (JSON.parse(text) as { version: string }).version;

/** This package's version. */
export const version = versionOf(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
