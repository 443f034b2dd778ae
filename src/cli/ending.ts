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

/** Of the commands beside the service: what starting again cannot help is the operator's to put right, and ends in 2. */
const exitOfOwn: Partial<Record<KeyholdError['code'], ExitCode>> = {
  not_found: exitCodes.notFound,
  name_taken: exitCodes.conflict,
  unavailable: exitCodes.unreachable,
  overloaded: exitCodes.unreachable,
};

/** What to do next, where the service's own sentence doesn't say it for the command line. */
const advice: Partial<Record<ProblemCode, string>> = {
  unauthenticated: 'The login has expired or was revoked. Run "keyhold login" to log in again.',
  session_not_joined:
    'There is no active session of this name in which you are present. "keyhold session list" shows yours.',
  permission_missing: 'Use a token that has it, or log in anew by "keyhold login".',
  not_found: 'There is nothing here that you can reach. "keyhold ls" shows the secrets that you can.',
};

/** Codes whose own sentence is about HTTP, and is left out. */
const replaced: readonly ProblemCode[] = ['unauthenticated', 'session_not_joined', 'not_found'];

const sentenceOf = ({ problem, retryAfter }: Refusal): string => {
  const next = advice[problem.code];
  const own = replaced.includes(problem.code) ? [] : [printable(problem.detail)];
  const wait = retryAfter === null ? [] : [`Try again in ${retryAfter} s.`];
  const id = problem.code === 'internal' && problem.request_id ? [`Request ${problem.request_id}.`] : [];
  return [...own, ...(next === undefined ? [] : [next]), ...wait, ...id].join(' ');
};

const isRefusedCode = (code: string): code is ProblemCode => Object.hasOwn(exitOfProblem, code);

export interface Ending {
  readonly code: ExitCode;
  /** Without a name in front; empty where nothing is to be said. */
  readonly message: string;
}

const tokenOfEnvironment =
  'The token in KEYHOLD_CLI_TOKEN is not accepted: it is wrong, has expired or was revoked. Set another one, or unset it and run "keyhold login".';

const endingOfRefusal = (error: Refusal, byEnvironment: boolean): Ending => {
  const { code } = error.problem;
  if (code === 'unauthenticated' && byEnvironment) return { code: exitCodes.loggedOut, message: tokenOfEnvironment };
  return { code: isRefusedCode(code) ? exitOfProblem[code] : exitCodes.failed, message: sentenceOf(error) };
};

/** Commander quotes what was typed; of an unknown option only the name is repeated, since the rest may be a value. */
const sentenceOfParser = (message: string): string => {
  const [, flag = '', rest = ''] =
    /^error: unknown option '([\s\S]*)'(?:\n\((Did you mean .*)\))?$/.exec(message) ?? [];
  if (flag === '') return message.replace(/^error: /, '').replaceAll('\n', ' ');
  const name = /^--?[a-z][a-z-]{0,30}(?==|$)/.exec(flag)?.[0];
  return name === undefined ? 'there is an unknown option.' : `unknown option ${name}. ${rest}`.trim();
};

const endingOfParser = ({ code, message }: CommanderError): Ending => {
  // Help was printed in place of a missing command.
  if (code === 'commander.help') return { code: exitCodes.usage, message: '' };
  return {
    code: exitCodes.usage,
    message: `${sentenceOfParser(message)} --help shows how.`.replace(/([^.?])( --help)/, '$1.$2'),
  };
};

/**
 * Any error as an exit code and a sentence. What nobody expected is told by its kind alone: its message and stack might
 * quote a value. `byEnvironment`: the credential was KEYHOLD_CLI_TOKEN's.
 */
export const endingOf = (error: unknown, byEnvironment = false): Ending => {
  if (error instanceof CliFailure) return { code: error.exitCode, message: error.message };
  if (error instanceof CommanderError) return endingOfParser(error);
  if (error instanceof Refusal) return endingOfRefusal(error, byEnvironment);
  if (error instanceof NoAnswer) {
    const next = error.kind === 'not-keyhold' ? 'Check the address that you logged in to.' : 'Is the service running?';
    return { code: exitCodes.unreachable, message: `${printable(error.message)} ${next}` };
  }
  if (error instanceof KeyholdError) return { code: exitOfOwn[error.code] ?? exitCodes.usage, message: error.message };
  const kind = error instanceof Error ? error.name : typeof error;
  const place = error instanceof Error ? placeOf(error) : '';
  return { code: exitCodes.failed, message: `Something unexpected happened (${kind}${place}). Please report it.` };
};

/** Where it was thrown: a file and line of ours, never the message. */
const placeOf = ({ stack = '' }: Error): string => {
  const frame = stack.split('\n').find((line) => /^ {4}at .*[\\/](src|dist)[\\/]/.test(line));
  const at = /([\w.-]+\.[jt]s:\d+)/.exec(frame ?? '')?.[1];
  return at === undefined ? '' : ` at ${at}`;
};
