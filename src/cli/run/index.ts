import { constants } from 'node:os';
import type { CliContext } from '../context.ts';
import { type CliFailure, usage } from '../failure.ts';
import { exitAs } from './command-exit.ts';
import { CannotStart } from './command-file.ts';
import { minMaskedBytes } from './forms.ts';
import { canReplaceProcess, replaceProcess } from './replace-process.ts';
import { revealForRun } from './reveal-for-run.ts';
import type { Environment, Runner } from './runner.ts';
import { refusePrefix, variablesOf } from './variables.ts';

export interface RunOptions {
  readonly only?: readonly string[];
  readonly tag?: string;
  readonly prefix: string;
  /** Undefined to mask where the output is not a terminal. */
  readonly mask?: boolean;
  readonly allowUnsafeName: boolean;
}

const refuseOptions = ({ only, tag, prefix }: RunOptions): void => {
  if (only !== undefined && tag !== undefined) throw usage('Pass either --only or --tag, not both.');
  if (only?.length === 0) throw usage('--only needs at least one secret.');
  refusePrefix(prefix);
};

/** How the command's output is connected: directly, by a pty with masking, or by pipes with masking. */
type OutputMode = 'direct' | 'terminal' | { readonly stdout: boolean; readonly stderr: boolean };

const outputModeOf = (mask: boolean | undefined): OutputMode => {
  const { stdin, stdout, stderr } = process;
  if (mask === false) return 'direct';
  if (mask === true && stdout.isTTY) {
    if (stdin.isTTY && stderr.isTTY) return 'terminal';
    throw usage('--mask on a terminal needs stdin, stdout and stderr to be the terminal.');
  }
  const piped = { stdout: !stdout.isTTY, stderr: mask === true || !stderr.isTTY };
  return piped.stdout || piped.stderr ? piped : 'direct';
};

const noteShortValues = (context: CliContext, variables: Environment): void => {
  const short = Object.keys(variables).filter((name) => Buffer.byteLength(variables[name] ?? '') < minMaskedBytes);
  if (short.length > 0) {
    context.out.note(`Not masked, because they are shorter than ${minMaskedBytes} bytes: ${short.join(', ')}.`);
  }
};

const runDirectly: Runner = async (command) => {
  if (canReplaceProcess()) return replaceProcess(command.command, command.env);
  const { preparePiped } = await import('./piped.ts');
  return await (await preparePiped({ stdout: false, stderr: false }))(command);
};

/** Prepares a runner (its modules, pipes or terminal) while the values are being fetched. */
const prepare = async (mode: OutputMode): Promise<Runner> => {
  if (mode === 'direct') return runDirectly;
  if (mode === 'terminal') return await (await import('./terminal.ts')).prepareTerminal();
  return await (await import('./piped.ts')).preparePiped(mode);
};

/** Both results. A failure waits for the other one to settle, so that nothing is left half prepared. */
const settleBoth = async <A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> => {
  await Promise.allSettled([a, b]);
  return await Promise.all([a, b]);
};

const defined = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

const tooLarge = (): CliFailure =>
  usage('The values and the environment are too large to pass to a command. Choose fewer with --only or --tag.');

/** Linux's maximum for arguments and environment, whatever the stack's size (execve(2)); other systems allow less. */
const maxBytes = 6 * 1024 * 1024;

/** Checked before the maskers are built, which take many times the memory. */
const refuseTooLarge = (env: Environment): void => {
  const bytes = Object.entries(env).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0);
  if (bytes > maxBytes) throw tooLarge();
};

/** execve's error has a number but no code. */
const isTooLarge = (error: unknown): boolean => {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  return code === 'E2BIG' || errno === constants.errno.E2BIG;
};

/**
 * `keyhold run`: reveals the values, runs the command with them, and exits as it exited. Every refusal comes before the
 * command starts.
 */
export const runCommand = async (
  context: CliContext,
  command: readonly string[],
  options: RunOptions,
): Promise<void> => {
  refuseOptions(options);
  const mode = outputModeOf(options.mask);
  const client = await context.client();
  const choice = { only: options.only ?? null, tag: options.tag ?? null };
  const [revealed, runner] = await settleBoth(revealForRun(context, client, choice), prepare(mode));
  const { variables, leftOut } = variablesOf(revealed, { ...options, isNamed: choice.only !== null });
  if (leftOut.length > 0) {
    context.out.warn(
      `keyhold: left out, because programs obey variables of these names: ${leftOut.join(', ')}. Use --prefix to rename them, or --allow-unsafe-name to pass them.`,
    );
  }
  if (mode !== 'direct') noteShortValues(context, variables);
  const env = { ...defined(context.env.forChild()), ...variables };
  refuseTooLarge(env);
  try {
    exitAs(await runner({ command, env, values: Object.values(variables) }));
  } catch (error) {
    if (isTooLarge(error)) {
      throw tooLarge();
    }
    if (!(error instanceof CannotStart)) throw error;
    context.out.warn(`keyhold: ${error.message}`);
    process.exitCode = error.status;
  }
};
