import { constants } from 'node:os';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { CannotStart } from './command-file.ts';
import { type Ending, endAs } from './ending.ts';
import type { Masker } from './masker.ts';
import { canReplaceProcess, type Environment, replaceProcess } from './replace-process.ts';
import { takeSecrets } from './taking.ts';
import { refusePrefix, variablesOf } from './variables.ts';

export interface RunOptions {
  readonly only?: readonly string[];
  readonly tag?: string;
  readonly prefix: string;
  /** Undefined: where output is no terminal. */
  readonly mask?: boolean;
  readonly allowUnsafeName: boolean;
}

const refuseOptions = ({ only, tag, prefix }: RunOptions): void => {
  if (only !== undefined && tag !== undefined) throw usage('Give either --only or --tag.');
  if (only?.length === 0) throw usage('--only names no secret.');
  refusePrefix(prefix);
};

/** Which of the two outputs go through a masker; the pty is for a terminal where masking was asked for. */
type Way = 'direct' | 'terminal' | { readonly stdout: boolean; readonly stderr: boolean };

const wayOf = (mask: boolean | undefined): Way => {
  const { stdin, stdout, stderr } = process;
  if (mask === false) return 'direct';
  if (mask === true && stdout.isTTY) {
    if (stdin.isTTY && stderr.isTTY) return 'terminal';
    throw usage('--mask on a terminal needs stdin, stdout and stderr to be that terminal.');
  }
  const piped = { stdout: !stdout.isTTY, stderr: mask === true || !stderr.isTTY };
  return piped.stdout || piped.stderr ? piped : 'direct';
};

const warnOfShort = async (context: CliContext, variables: Environment): Promise<void> => {
  const { leastMaskedBytes } = await import('./forms.ts');
  const short = Object.keys(variables).filter((name) => Buffer.byteLength(variables[name] ?? '') < leastMaskedBytes);
  if (short.length > 0) {
    context.out.note(
      `Not masked in the output, since they are shorter than ${leastMaskedBytes} bytes: ${short.join(', ')}.`,
    );
  }
};

const maskerOf = async (variables: Environment): Promise<() => Masker> =>
  (await import('./masker.ts')).createMaskers(Object.values(variables));

const runDirectly = async (command: readonly string[], env: Environment): Promise<Ending> => {
  if (canReplaceProcess()) return replaceProcess(command, env);
  const { runPiped } = await import('./piped.ts');
  return await runPiped({ command, env, masker: await maskerOf({}), masked: { stdout: false, stderr: false } });
};

const start = async (
  context: CliContext,
  command: readonly string[],
  variables: Environment,
  way: Way,
): Promise<Ending> => {
  const env = { ...defined(context.env.forChild()), ...variables };
  if (way === 'direct') return await runDirectly(command, env);
  await warnOfShort(context, variables);
  const masker = await maskerOf(variables);
  if (way === 'terminal') return await (await import('./terminal.ts')).runOnTerminal({ command, env, masker });
  return await (await import('./piped.ts')).runPiped({ command, env, masker, masked: way });
};

const defined = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** execve leaves the name of this error out. */
const tooMuch = (error: unknown): boolean => {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  return code === 'E2BIG' || errno === constants.errno.E2BIG;
};

/**
 * `keyhold run`: fetches the values, then runs the command with them, and ends as it ended. Whatever is refused is refused
 * before the command starts.
 */
export const runCommand = async (
  context: CliContext,
  command: readonly string[],
  options: RunOptions,
): Promise<void> => {
  refuseOptions(options);
  const way = wayOf(options.mask);
  const client = await context.client();
  const choice = { only: options.only ?? null, tag: options.tag ?? null };
  const taken = await takeSecrets(context, client, choice);
  const variables = variablesOf(taken, options);
  try {
    endAs(await start(context, command, variables, way));
  } catch (error) {
    if (tooMuch(error)) {
      throw usage('These values and the environment are too large for a command. Take fewer with --only or --tag.');
    }
    if (!(error instanceof CannotStart)) throw error;
    context.out.warn(`keyhold: ${error.message}`);
    process.exitCode = error.status;
  }
};
