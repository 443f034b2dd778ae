import { isIPv4, isIPv6 } from 'node:net';

/** An IPv6 user has a whole /64 to choose addresses from; it counts as one. */
export const network = (ip: string): string => {
  // A listener for both families shows IPv4 clients as IPv6 ones (RFC 4291 section 2.5.5.2).
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(ip)) return ip;
  const [head = '', tail = ''] = ip.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const missing = ip.includes('::') ? Math.max(0, 8 - front.length - back.length) : 0;
  return [...front, ...Array<string>(missing).fill('0'), ...back].slice(0, 4).join(':');
};

/** The network that an address is in, as people see it: a /24 of IPv4, a /64 of IPv6; null for what is no address. */
export const widerNetwork = (ip: string): string | null => {
  const narrow = network(ip);
  if (isIPv4(narrow)) return `${narrow.split('.').slice(0, 3).join('.')}.0/24`;
  if (!isIPv6(ip)) return null;
  // Two spellings of the same four groups are one network.
  const groups = narrow.split(':').map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
};
