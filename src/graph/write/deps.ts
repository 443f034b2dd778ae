import type { Audit } from '../../audit/index.ts';
import type { Clock } from '../../core/clock.ts';
import type { Now } from '../../db/time.ts';
import type { PlacesOf } from './places.ts';
import type { Reach } from './reach.ts';
import type { SeenFacts } from './seen-facts.ts';
import type { Settle } from './settle.ts';
import type { Targets } from './targets.ts';
import type { Writing } from './writing.ts';

/** What every kind of write is made of. */
export interface WriteDeps {
  readonly clock: Clock;
  /** The time that decides whether a fact has ended. */
  readonly now: Now;
  readonly audit: Audit;
  readonly writing: Writing;
  readonly places: PlacesOf;
  readonly settle: Settle;
  readonly targets: Targets;
  readonly reach: Reach;
  readonly seenFacts: SeenFacts;
}
