import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cpuOfFamily, cpuOfProcess } from './cpu.ts';

/** What the load generator is to do. */
export interface Load {
  /** Connections are shared out among them. */
  readonly urls: readonly [string, ...string[]];
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second in all; as many as come when it is left out. */
  readonly rate?: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Asked in turn, over and over. */
  readonly requests: readonly {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly body?: string;
  }[];
}

export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Answers other than 2xx, and requests without one. */
  readonly failed: number;
  /** All requests, those of the warm-up included. */
  readonly requests: number;
}

const program = fileURLToPath(new URL('load.ts', import.meta.url));

/** Runs one load in a process of its own. Rejects when anything but success was answered: it would be no measurement. */
export const run = async (load: Load): Promise<LoadResult> => {
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(load));
  const result: LoadResult = JSON.parse(await text(child.stdout));
  if (result.failed > 0) throw new Error(`${result.failed} requests failed under ${load.connections} connections`);
  return result;
};

/** A load, and what it cost: microseconds of CPU time for each request. */
export interface Metered extends LoadResult {
  readonly serviceMicros: number;
  readonly databaseMicros: number;
}

/** Runs a load and measures the CPU time of the service's process, and of the database's main process with its children. */
export const runMetered = async (load: Load, service: number, database: number): Promise<Metered> => {
  const before = [cpuOfProcess(service), cpuOfFamily(database)] as const;
  const result = await run(load);
  const micros = (seconds: number): number => (seconds * 1e6) / result.requests;
  return {
    ...result,
    serviceMicros: micros(cpuOfProcess(service) - before[0]),
    databaseMicros: micros(cpuOfFamily(database) - before[1]),
  };
};
