import { parse } from 'dotenv';
import type { SecretType } from '../../core/secret-types.ts';
import { type Contents, emptyReason, fittingName, plainItem } from './item.ts';

/** The variables of a `.env` file, by dotenv's own reading: of a name that comes twice, the last. */
export const readEnv = (text: string, type: SecretType): Contents => {
  const variables = Object.entries(parse(text));
  return {
    items: variables
      .filter(([, value]) => value !== '')
      .map(([source, value]) => ({ ...plainItem, source, ...fittingName(source), value, type })),
    skipped: variables.filter(([, value]) => value === '').map(([source]) => ({ source, reason: emptyReason })),
  };
};
