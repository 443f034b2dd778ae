import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { install } from '../installed.ts';

/** The version of the official server that is compared with, and whose files are imported. */
const serverPackage = '@modelcontextprotocol/server-memory@2026.8.31';

/** The official MCP memory server, as clients start it. */
export interface McpMemoryServer extends AsyncDisposable {
  /** Calls a tool; resolves to what the tool answers, rejects where it says that it failed. */
  call<T>(tool: string, given: object): Promise<T>;
  /** The text of its file. */
  file(): Promise<string>;
}

interface Answer {
  readonly error?: unknown;
  readonly result?: { readonly isError?: boolean; readonly structuredContent?: unknown };
}

/** Installs the server into a directory of its own, and starts it on a file that holds `text`. */
export const startMcpMemoryServer = async (text: string): Promise<McpMemoryServer> => {
  const installed = await install(serverPackage);
  const path = join(installed.directory, 'memory.json');
  await writeFile(path, text);
  const program = installed.file('@modelcontextprotocol/server-memory/dist/index.js');
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, MEMORY_FILE_PATH: path },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const waiting = new Map<number, PromiseWithResolvers<Answer>>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line);
    waiting.get(answer.id)?.resolve(answer);
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the MCP memory server ended with ${code}`));
  });
  let last = 0;
  const request = async (method: string, params: object): Promise<Answer> => {
    last += 1;
    const id = last;
    const answered = Promise.withResolvers<Answer>();
    waiting.set(id, answered);
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const answer = await answered.promise;
    waiting.delete(id);
    if (answer.error || answer.result?.isError) throw new Error(`${method}: ${JSON.stringify(answer)}`);
    return answer;
  };
  await request('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'keyhold', version: '1' },
  });
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`);
  return {
    call: async <T>(tool: string, given: object) =>
      (await request('tools/call', { name: tool, arguments: given })).result?.structuredContent as T,
    file: () => readFile(path, 'utf8'),
    [Symbol.asyncDispose]: async () => {
      const ended = Promise.withResolvers<void>();
      child.on('exit', () => ended.resolve());
      child.kill();
      await ended.promise;
      await installed[Symbol.asyncDispose]();
    },
  };
};
