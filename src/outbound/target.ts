/** Hosts of the operator's that may be private, and may be sent to without TLS. Each is a host with its port. */
export type AllowedHosts = ReadonlySet<string>;

/** Where a request goes: parsed once, and used in no other form. */
export interface Target {
  /** The address as it is stored, shown and requested. */
  readonly href: string;
  readonly secure: boolean;
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Host and port, as in the list of allowed hosts. */
  readonly host: string;
  readonly path: string;
  readonly isAllowedHost: boolean;
}

/** A target, or the rest of a sentence that begins with what was given: "must be …". */
export type ParsedTarget = { readonly target: Target } | { readonly refused: string };

export const maxTargetBytes = 8192;

/** Anything but visible ASCII. A backslash would be read as a slash. */
const otherThanVisible = /[^\x21-\x7e]|\\/;
/** Encoded, these would be one thing to us and another to the server. */
const encodedInPath = /%(?:2f|5c|2e|00)/i;

/** What is wrong with the text, before a parser makes something else of it. */
const faultOfText = (text: string): string | null => {
  if (Buffer.byteLength(text) > maxTargetBytes) return `must have at most ${maxTargetBytes} bytes.`;
  if (otherThanVisible.test(text)) return 'must have visible ASCII characters only, and no backslash.';
  if (!/^https?:\/\/[^/?#]/i.test(text)) return 'must begin with https:// and a host.';
  if (text.includes('#')) return 'must have no fragment.';
  const [beforeQuery = '', ...query] = text.split('?');
  if (encodedInPath.test(beforeQuery)) return 'must not have an encoded slash, backslash, dot or NUL in its path.';
  return /%00/.test(query.join('?')) ? 'must not have an encoded NUL.' : null;
};

/** What names and addresses consist of. The parser of URLs lets more pass, such as the asterisk of a wildcard. */
const hostForm = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])$/;

const faultOfUrl = (url: URL, text: string): string | null => {
  const authority = text.slice(text.indexOf('//') + 2).split(/[/?]/)[0] ?? '';
  if (authority.includes('@')) return 'must have no username and no password.';
  if (url.hostname.endsWith('.')) return 'must have a host without a dot at its end.';
  if (!hostForm.test(url.hostname)) return 'must have the name or the address of a host.';
  if (url.port === '0') return 'must not have port 0.';
  if (url.pathname.includes('//')) return 'must have no empty segment in its path.';
  return null;
};

const parse = (text: string): URL | null => {
  try {
    return new URL(text);
  } catch {
    return null;
  }
};

const portOf = (url: URL): number => {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
};

/** A host with its port as the list of allowed hosts has it; null for anything else, wildcards and networks included. */
export const readAllowedHost = (text: string): string | null => {
  if (!/:\d{1,5}$/.test(text) || /[/?#@\\\s]/.test(text)) return null;
  const url = parse(`http://${text}`);
  return url === null || url.port === '0' || !hostForm.test(url.hostname) ? null : `${url.hostname}:${portOf(url)}`;
};

/**
 * Reads where a request shall go. The scheme is https; http only for allowed hosts. What parsers disagree about is refused
 * rather than corrected. Whether the host's addresses may be contacted is decided when it is resolved.
 */
export const parseTarget = (text: string, allowedHosts: AllowedHosts): ParsedTarget => {
  const fault = faultOfText(text);
  if (fault !== null) return { refused: fault };
  const url = parse(text);
  if (url === null) return { refused: 'must be a URL.' };
  const faultInUrl = faultOfUrl(url, text);
  if (faultInUrl !== null) return { refused: faultInUrl };
  const port = portOf(url);
  const host = `${url.hostname}:${port}`;
  const isAllowedHost = allowedHosts.has(host);
  const secure = url.protocol === 'https:';
  if (!secure && !isAllowedHost)
    return { refused: 'must begin with https://. Only hosts that the operator allows are sent to without TLS.' };
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  return {
    target: { href: url.href, secure, hostname, port, host, path: `${url.pathname}${url.search}`, isAllowedHost },
  };
};
