import { createHmac, timingSafeEqual } from 'node:crypto';
import { invalid } from '../core/errors.ts';
import type { View } from './read.ts';

/**
 * Cursors that only the service makes: a place with a MAC over it and over whose read it belongs to, so that an altered
 * cursor and one of another user, mode or session are refused.
 */
export interface Cursors {
  write(view: View, operation: string, place: unknown): string;
  /** Throws `invalid_request`. */
  read<T>(view: View, operation: string, text: string): T;
}

const macBytes = 16;

const refused = () => invalid('cursor', 'must be the next_cursor of the page before, of the same read.');

export const createCursors = (key: Buffer): Cursors => {
  const macOf = ({ sight }: View, operation: string, place: Buffer): Buffer => {
    const whose = [operation, sight.caller.userId, sight.session ?? '', sight.mode].join('\0');
    const mac = createHmac('sha256', key).update(`graph-cursor\0${whose}\0`).update(place).digest();
    return mac.subarray(0, macBytes);
  };

  return {
    write: (view, operation, place) => {
      const bytes = Buffer.from(JSON.stringify(place));
      return Buffer.concat([macOf(view, operation, bytes), bytes]).toString('base64url');
    },
    read: <T>(view: View, operation: string, text: string): T => {
      const bytes = Buffer.from(text, 'base64url');
      const place = bytes.subarray(macBytes);
      const isOurs =
        bytes.length > macBytes &&
        bytes.toString('base64url') === text &&
        timingSafeEqual(bytes.subarray(0, macBytes), macOf(view, operation, place));
      if (!isOurs) throw refused();
      return JSON.parse(place.toString()) as T;
    },
  };
};
