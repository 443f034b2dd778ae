import { flushCompileCache } from 'node:module';
import { commandFile } from './command-file.ts';
import type { Environment } from './runner.ts';

/** True where this process can be replaced by another program. */
export const canReplaceProcess = (): boolean => typeof process.execve === 'function' && process.platform !== 'win32';

/** Node ignores these signals, and a program that replaces it would inherit that. A handler resets it. */
const ignoredByNode = ['SIGPIPE', 'SIGXFSZ'] as const;

/**
 * Replaces this process by the command, so that exit codes, signals and job control are the command's own. Never
 * returns. Throws CannotStart.
 */
export const replaceProcess = (command: readonly string[], env: Environment): never => {
  const [name = '', ...args] = command;
  const { file, argv } = commandFile(name, env['PATH']);
  // Node writes its compile cache on exit, which does not happen here.
  flushCompileCache();
  for (const signal of ignoredByNode) process.on(signal, () => undefined);
  // The function is experimental, and Node would print a warning where the replacement fails.
  process.removeAllListeners('warning');
  return process.execve?.(file, [...argv, ...args], env) as never;
};
