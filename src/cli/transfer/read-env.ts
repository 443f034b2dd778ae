import { parse } from 'dotenv';
import type { SecretType } from '../../core/secret-types.ts';
import { type Contents, emptyReason, itemDefaults, toValidName } from './item.ts';

/** The variables of a `.env` file as dotenv reads it: the last of a repeated name counts. */
export const readEnv = (text: string, type: SecretType): Contents => {
  const variables = Object.entries(parse(text));
  return {
    items: variables
      .filter(([, value]) => value !== '')
      .map(([source, value]) => ({ ...itemDefaults, source, ...toValidName(source), value, type })),
    skipped: variables.filter(([, value]) => value === '').map(([source]) => ({ source, reason: emptyReason })),
  };
};
