import { readFileSync } from 'node:fs';
import type { Options } from '../options.ts';
import type { Running } from '../processes.ts';
import type { Finding } from '../report.ts';
import { figure, median, pause } from '../statistics.ts';
import { person, startWorld } from '../world.ts';

const settleMs = 6000;

/** Resident memory of the process without its database, in MB (10⁶ bytes); Linux tells it in KiB. */
const residentOf = ({ pid }: Running): number =>
  (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6;

/** P9: a service at rest, and its start on an existing data directory. */
export const rest = async ({ rounds, say }: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  await person(world, 'ada', 100);
  const ready: number[] = [];
  const resident: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const service = await world.restart();
    await pause(settleMs);
    ready.push(service.readyMs);
    resident.push(residentOf(service));
    say(`round ${round}: ready after ${Math.round(service.readyMs)} ms, ${Math.round(residentOf(service))} MB`);
  }
  return [
    {
      target: 'P9',
      what: 'resident at rest, without the database',
      unit: 'MB',
      ours: figure(resident),
      baseline: null,
      reached: median(resident),
      bound: { is: 'at most', value: 150, unit: ' MB' },
    },
    {
      target: 'P9',
      what: 'ready after start on an existing data directory',
      unit: 'ms',
      ours: figure(ready),
      baseline: null,
      reached: median(ready),
      bound: { is: 'at most', value: 2000, unit: ' ms' },
    },
  ];
};
