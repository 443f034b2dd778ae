import type { components } from './schema.ts';

export type Problem = components['schemas']['Problem'];
export type ProblemCode = Problem['code'];

/**
 * The service refused the request. `message` is its explanation; `problem` is the whole problem document (RFC 9457).
 */
export class Refusal extends Error {
  readonly problem: Problem;
  /** After how many seconds to try again, where the service said so. */
  readonly retryAfter: number | null;

  constructor(problem: Problem, retryAfter: number | null = null) {
    super(problem.detail);
    this.name = 'Refusal';
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** No Keyhold service answered at this address, or not in time. Whether the request took effect is unknown. */
export class NoAnswer extends Error {
  readonly server: string;
  readonly kind: 'unreachable' | 'timeout' | 'not-keyhold';

  constructor(server: string, kind: NoAnswer['kind'], detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'NoAnswer';
    this.server = server;
    this.kind = kind;
  }
}
