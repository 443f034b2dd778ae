import type { components } from './schema.ts';

export type Problem = components['schemas']['Problem'];
export type ProblemCode = Problem['code'];

/** The service said no. `message` is its sentence; `problem` the whole of it. */
export class Refusal extends Error {
  readonly problem: Problem;
  /** Seconds after which to ask again, where the service said so. */
  readonly retryAfter: number | null;

  constructor(problem: Problem, retryAfter: number | null = null) {
    super(problem.detail);
    this.name = 'Refusal';
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** Nobody answered at this address, or not in time, or what answers is not Keyhold. Whether a request took effect is then unknown. */
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
