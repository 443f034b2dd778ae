import ipaddr from 'ipaddr.js';

/** Addresses of machines' metadata services, which hand out credentials. Nobody can allow them. */
const metadata = ['169.254.0.0/16', '100.100.100.200/32', '192.0.0.192/32', '168.63.129.16/32'].map((range) =>
  ipaddr.IPv4.parseCIDR(range),
);
const metadataV6 = ipaddr.IPv6.parse('fd00:ec2::254').toNormalizedString();
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/** Ranges of IPv6 that stand for other addresses: compatible with IPv4, NAT64, 6to4 and Teredo. */
const translated = ['::/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/32'].map((range) =>
  ipaddr.IPv6.parseCIDR(range),
);

/** In `::/96`, but no IPv4 address in another form. */
const ownKind = ['::', '::1'].map((text) => ipaddr.IPv6.parse(text).toNormalizedString());

type Kind = 'public' | 'private' | 'never';

const kindOfIPv4 = (address: ipaddr.IPv4): Kind => {
  if (metadata.some((range) => address.match(range))) return 'never';
  return address.range() === 'unicast' ? 'public' : 'private';
};

const kindOfIPv6 = (address: ipaddr.IPv6): Kind => {
  if (address.isIPv4MappedAddress()) return kindOfIPv4(address.toIPv4Address());
  const text = address.toNormalizedString();
  if (text === metadataV6) return 'never';
  if (!ownKind.includes(text) && translated.some((range) => address.match(range))) return 'never';
  return address.range() === 'unicast' && address.match(globalUnicast) ? 'public' : 'private';
};

/**
 * What an address is: public; private, so that the operator has to allow its host; or one that is never contacted. A text that
 * is no address is never contacted either.
 */
const kindOfAddress = (text: string): Kind => {
  // A zone names an interface of this machine.
  if (text.includes('%') || !ipaddr.isValid(text)) return 'never';
  const address = ipaddr.parse(text);
  return address instanceof ipaddr.IPv6 ? kindOfIPv6(address) : kindOfIPv4(address);
};

/** Whether a request may go to this address. */
export const mayContact = (text: string, isAllowedHost: boolean): boolean => {
  const kind = kindOfAddress(text);
  return kind === 'public' || (kind === 'private' && isAllowedHost);
};
