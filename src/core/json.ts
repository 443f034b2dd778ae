export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/**
 * JSON with the keys of every object in code-unit order and no white space, so that equal content has equal
 * bytes whichever way PostgreSQL's jsonb or a client ordered it (the idea of RFC 8785, for our own data only).
 */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
};

const stringOrBrace = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}]/g;

const isNew = (names: Set<string> | undefined, name: string): boolean => {
  const before = names?.size;
  return names?.add(name).size !== before;
};

/**
 * Whether an object in `json` has a member name twice. Parsers differ in which of the two they use (RFC 8259 section 4).
 * `json` must be valid JSON, in which only a member's name is followed by a colon and a name belongs to the innermost
 * object.
 */
export const repeatsName = (json: string): boolean => {
  const open: Set<string>[] = [];
  for (const [token, quoted, colon] of json.matchAll(stringOrBrace)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (colon !== undefined && !isNew(open.at(-1), JSON.parse(quoted ?? '""'))) return true;
  }
  return false;
};
