import { setImmediate } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { createEventWriter } from '../../src/events/index.ts';

const log = { warn: () => undefined };

it('a service that is stopped does not first give positions to every event that waits', async () => {
  let given = 0;
  const givePositions = async (): Promise<number> => {
    await setImmediate();
    given += 1;
    return 500;
  };
  const writer = createEventWriter({ givePositions, onGiven: () => undefined, log });
  writer.start();
  await vi.waitFor(() => expect(given).toBeGreaterThan(3));
  await writer.stop();
  const atEnd = given;
  await setImmediate();
  expect(given).toBe(atEnd);
});
