import { uuidBytes, uuidFromBytes } from './uuid.ts';

/** Personal and agent tokens begin with this, so that secret scanners recognise leaked tokens. */
export const tokenPrefix = 'kh_';

const idLength = 16;
export const tokenSecretLength = 32;

/** The token of a row: its id, by which it is found, and `tokenSecretLength` random bytes. */
export const formatToken = (id: string, secret: Buffer): string =>
  `${tokenPrefix}${Buffer.concat([uuidBytes(id), secret]).toString('base64url')}`;

/** The id of the row that a token names, or null when the text does not have exactly the form of one. */
export const tokenIdOf = (text: string): string | null => {
  const bytes = Buffer.from(text.slice(tokenPrefix.length), 'base64url');
  if (bytes.length !== idLength + tokenSecretLength) return null;
  const id = uuidFromBytes(bytes.subarray(0, idLength));
  return text === formatToken(id, bytes.subarray(idLength)) ? id : null;
};
