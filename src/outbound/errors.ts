/** Why a request was not sent or not answered: a word of ours, never one of the receiver's. */
export type OutboundFailure =
  | 'address_refused'
  | 'own_address'
  | 'name_unknown'
  | 'unreachable'
  | 'tls_failed'
  | 'timeout'
  | 'bad_answer'
  | 'stopped';

export class OutboundError extends Error {
  readonly failure: OutboundFailure;

  constructor(failure: OutboundFailure, options?: ErrorOptions) {
    super(failure, options);
    this.name = 'OutboundError';
    this.failure = failure;
  }
}
