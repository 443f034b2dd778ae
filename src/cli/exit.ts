import { CommanderError } from 'commander';
import { NoAnswer, type ProblemCode, Refusal } from '../client/index.ts';
import { KeyholdError } from '../core/errors.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { CliFailure } from './failure.ts';
import { printable } from './printable.ts';

const exitOfProblem = {
  invalid_request: exitCodes.usage,
  unauthenticated: exitCodes.loggedOut,
  login_failed: exitCodes.loggedOut,
  permission_missing: exitCodes.refused,
  session_not_joined: exitCodes.refused,
  waiting_period: exitCodes.refused,
  owner_only: exitCodes.refused,
  use_only: exitCodes.refused,
  not_found: exitCodes.notFound,
  name_taken: exitCodes.conflict,
  state_conflict: exitCodes.conflict,
  idempotency_key_reused: exitCodes.conflict,
  integrity_broken: exitCodes.conflict,
  revision_mismatch: exitCodes.conflict,
  payload_too_large: exitCodes.usage,
  unsupported_media_type: exitCodes.usage,
  request_timeout: exitCodes.unreachable,
  rate_limited: exitCodes.unreachable,
  unavailable: exitCodes.unreachable,
  overloaded: exitCodes.unreachable,
  internal: exitCodes.failed,
} as const satisfies Record<ProblemCode, ExitCode>;

/** For the server-side commands. An error that trying again cannot help is the operator's to fix and ends in 2. */
const exitOfServerSide: Partial<Record<KeyholdError['code'], ExitCode>> = {
  not_found: exitCodes.notFound,
  name_taken: exitCodes.conflict,
  unavailable: exitCodes.unreachable,
  overloaded: exitCodes.unreachable,
};

/** What to do next, where the service's own message does not say it in terms of the command line. */
const advice: Partial<Record<ProblemCode, string>> = {
  unauthenticated: 'The login has expired or was revoked. Run "keyhold login" to log in again.',
  session_not_joined: 'You are not in an active session of this name. "keyhold session list" lists your sessions.',
  permission_missing: 'Use a token that has it, or run "keyhold login" to log in again.',
  not_found: 'Not found, or you do not have access. "keyhold ls" lists the secrets that you can access.',
};

/** Codes whose own message is about HTTP and is left out. */
const replaced: readonly ProblemCode[] = ['unauthenticated', 'session_not_joined', 'not_found'];

/** Another token only helps against a missing permission where the message names the permission. */
const adviceOn = ({ code, detail }: Refusal['problem']): string | undefined =>
  code === 'permission_missing' && !detail.includes('the permission ') ? undefined : advice[code];

const messageOf = ({ problem, retryAfter }: Refusal): string => {
  const next = adviceOn(problem);
  const own = replaced.includes(problem.code) ? [] : [printable(problem.detail)];
  const wait = retryAfter === null ? [] : [`Try again in ${retryAfter} s.`];
  const id = problem.code === 'internal' && problem.request_id ? [`Request ${problem.request_id}.`] : [];
  return [...own, ...(next === undefined ? [] : [next]), ...wait, ...id].join(' ');
};

const isRefusedCode = (code: string): code is ProblemCode => Object.hasOwn(exitOfProblem, code);

/** How a command line ends after an error. */
export interface Exit {
  readonly code: ExitCode;
  /** Without the program's name in front; empty where there is nothing to say. */
  readonly message: string;
}

const tokenOfEnvironment =
  'The service did not accept the token in KEYHOLD_CLI_TOKEN. It is wrong, expired or revoked. Set another token, or unset it and run "keyhold login".';

const exitOfRefusal = (error: Refusal, byEnvironment: boolean): Exit => {
  const { code } = error.problem;
  if (code === 'unauthenticated' && byEnvironment) return { code: exitCodes.loggedOut, message: tokenOfEnvironment };
  return { code: isRefusedCode(code) ? exitOfProblem[code] : exitCodes.failed, message: messageOf(error) };
};

/** Commander quotes what was typed. Of an unknown option only the name is repeated, since the rest may be a value. */
const messageOfParser = (message: string): string => {
  const [, flag = '', rest = ''] =
    /^error: unknown option '([\s\S]*)'(?:\n\((Did you mean .*)\))?$/.exec(message) ?? [];
  if (flag === '') return message.replace(/^error: /, '').replaceAll('\n', ' ');
  const name = /^--?[a-z][a-z-]{0,30}(?==|$)/.exec(flag)?.[0];
  return name === undefined ? 'unknown option.' : `unknown option ${name}. ${rest}`.trim();
};

const exitOfParser = ({ code, message }: CommanderError): Exit => {
  // Help was printed in place of a missing command.
  if (code === 'commander.help') return { code: exitCodes.usage, message: '' };
  return {
    code: exitCodes.usage,
    message: `${messageOfParser(message)} Run with --help for usage.`.replace(/([^.?])( Run with --help)/, '$1.$2'),
  };
};

/**
 * The exit code and message for any error. Of an unexpected one only the kind is shown, since its message and stack
 * might quote a value. `byEnvironment` is true where KEYHOLD_CLI_TOKEN gave the credential.
 */
export const exitOf = (error: unknown, byEnvironment = false): Exit => {
  if (error instanceof CliFailure) return { code: error.exitCode, message: error.message };
  if (error instanceof CommanderError) return exitOfParser(error);
  if (error instanceof Refusal) return exitOfRefusal(error, byEnvironment);
  if (error instanceof NoAnswer) {
    const next = error.kind === 'not-keyhold' ? 'Check the server’s address.' : 'Is the service running?';
    return { code: exitCodes.unreachable, message: `${printable(error.message)} ${next}` };
  }
  if (error instanceof KeyholdError)
    return { code: exitOfServerSide[error.code] ?? exitCodes.usage, message: error.message };
  const kind = error instanceof Error ? error.name : typeof error;
  const place = error instanceof Error ? placeOf(error) : '';
  return { code: exitCodes.failed, message: `An unexpected error occurred (${kind}${place}). Please report it.` };
};

/** Where it was thrown: the file and line in Keyhold's own code. */
const placeOf = ({ stack = '' }: Error): string => {
  const frame = stack.split('\n').find((line) => /^ {4}at .*[\\/](src|dist)[\\/]/.test(line));
  const at = /([\w.-]+\.[jt]s:\d+)/.exec(frame ?? '')?.[1];
  return at === undefined ? '' : ` at ${at}`;
};
