// UUIDs as texts and bytes (RFC 9562, section 4). In a file of its own, so that the command line reads them without loading
// what makes them.

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** True for a UUID in its textual form, in either case. */
export const isUuid = (text: string): boolean => uuidPattern.test(text);

/** The 16 bytes of a UUID in its textual form. */
export const uuidBytes = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

/** The textual form of 16 bytes. */
export const uuidFromBytes = (bytes: Buffer): string => {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
};
