import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

/** Ports on which this service listens itself. */
export type OwnPorts = ReadonlySet<number>;

const canonical = (text: string): string => ipaddr.process(text).toNormalizedString();

const isOfThisMachine = (address: string): boolean => {
  const parsed = ipaddr.process(address);
  if (parsed.range() === 'loopback' || parsed.range() === 'unspecified') return true;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const text = canonical(address);
  return own.some((one) => canonical(one.address.replace(/%.*/, '')) === text);
};

/** Whether a request to this address and port would come back to the service that sends it. */
export const isOwnAddress = (address: string, port: number, ownPorts: OwnPorts): boolean =>
  ownPorts.has(port) && isIP(address) !== 0 && isOfThisMachine(address);
