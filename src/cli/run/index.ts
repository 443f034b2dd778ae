import { constants } from 'node:os';
import type { CliContext } from '../context.ts';
import { type CliFailure, usage } from '../failure.ts';
import { exitAs } from './command-exit.ts';
import { CannotStart } from './command-file.ts';
import { leastMaskedBytes } from './forms.ts';
import { canReplaceProcess, replaceProcess } from './replace-process.ts';
import { revealForRun } from './reveal-for-run.ts';
import type { Environment, Runner } from './runner.ts';
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

const warnOfShort = (context: CliContext, variables: Environment): void => {
  const short = Object.keys(variables).filter((name) => Buffer.byteLength(variables[name] ?? '') < leastMaskedBytes);
  if (short.length > 0) {
    context.out.note(
      `Not masked in the output, since they are shorter than ${leastMaskedBytes} bytes: ${short.join(', ')}.`,
    );
  }
};

const runDirectly: Runner = async (started) => {
  if (canReplaceProcess()) return replaceProcess(started.command, started.env);
  const { preparePiped } = await import('./piped.ts');
  return await (await preparePiped({ stdout: false, stderr: false }))(started);
};

/** What a way of running needs, made while the values are on their way: modules, pipes, a terminal. */
const prepare = async (way: Way): Promise<Runner> => {
  if (way === 'direct') return runDirectly;
  if (way === 'terminal') return await (await import('./terminal.ts')).prepareTerminal();
  return await (await import('./piped.ts')).preparePiped(way);
};

/** Both results, or a failure once neither is under way any more: what is made is then not left half made. */
const bothDone = async <A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> => {
  await Promise.allSettled([a, b]);
  return await Promise.all([a, b]);
};

const defined = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

const tooLarge = (): CliFailure =>
  usage('These values and the environment are too large for a command. Take fewer with --only or --tag.');

/** The most that Linux gives a command, however large its stack may be (execve(2)); others give less. */
const mostBytes = 6 * 1024 * 1024;

/** Told before what would be masked is worked out, which takes many times as much. */
const refuseTooMuch = (env: Environment): void => {
  const bytes = Object.entries(env).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0);
  if (bytes > mostBytes) throw tooLarge();
};

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
  const [revealed, runner] = await bothDone(revealForRun(context, client, choice), prepare(way));
  const { variables, leftOut } = variablesOf(revealed, { ...options, asked: choice.only !== null });
  if (leftOut.length > 0) {
    context.out.warn(
      `keyhold: left out, since programs obey variables so called: ${leftOut.join(', ')}. --prefix renames them, --allow-unsafe-name takes them.`,
    );
  }
  if (way !== 'direct') warnOfShort(context, variables);
  const env = { ...defined(context.env.forChild()), ...variables };
  refuseTooMuch(env);
  try {
    exitAs(await runner({ command, env, values: Object.values(variables) }));
  } catch (error) {
    if (tooMuch(error)) {
      throw tooLarge();
    }
    if (!(error instanceof CannotStart)) throw error;
    context.out.warn(`keyhold: ${error.message}`);
    process.exitCode = error.status;
  }
};
