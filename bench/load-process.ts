import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

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
