import { flushCompileCache } from 'node:module';
import { commandFile } from './command-file.ts';
import type { Environment } from './runner.ts';

/** True where a process can become another one. */
export const canReplaceProcess = (): boolean => typeof process.execve === 'function' && process.platform !== 'win32';

/** Node ignores these; a process that replaces it would inherit that. One that is caught goes back to what it was. */
const ignoredByNode = ['SIGPIPE', 'SIGXFSZ'] as const;

/**
 * Becomes the command: nothing of Keyhold stays between it and the terminal, so that exit codes, signals and job control
 * are the command's own. Never returns. Throws CannotStart.
 */
export const replaceProcess = (command: readonly string[], env: Environment): never => {
  const [name = '', ...args] = command;
  const { file, argv } = commandFile(name, env['PATH']);
  // Node writes its cache of compiled modules at its end, which is not to come.
  flushCompileCache();
  for (const signal of ignoredByNode) process.on(signal, () => undefined);
  // An experimental function: Node would warn about it where the replacement fails.
  process.removeAllListeners('warning');
  return process.execve?.(file, [...argv, ...args], env) as never;
};
