import type { Mutate } from '../../access/index.ts';
import type { Audit } from '../../audit/index.ts';
import type { Clock } from '../../core/clock.ts';
import { createNow } from '../../db/time.ts';
import type { Idempotency } from '../../idempotency/index.ts';
import type { Seals } from '../../keys/index.ts';
import type { Secrets } from '../../secrets/index.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { Users } from '../../users/index.ts';
import { createActivityCreation } from './activity.ts';
import { createDerivedEntities } from './derived-entities.ts';
import { createEndings } from './endings.ts';
import { createEntityCreation } from './entities.ts';
import { createEntityDeletion } from './entity-deletion.ts';
import { createFactDeletion } from './fact-deletion.ts';
import { createMerging } from './merge.ts';
import { createObservationCreation } from './observations.ts';
import { createPlaces } from './places.ts';
import { createReach } from './reach.ts';
import { createRelationCreation } from './relations.ts';
import { createSeenFacts } from './seen-facts.ts';
import { createSettle } from './settle.ts';
import { createTargets, type FindDerived } from './targets.ts';
import { createTurns } from './turns.ts';
import { createUpdate } from './update.ts';
import { createWriting } from './writing.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly secrets: Pick<Secrets, 'seen'>;
  readonly nodes: { readonly findDerived: FindDerived };
}

/** Every write of remembered facts. Each is all or nothing, and goes through `mutate`. */
export const createWrites = (given: Deps) => {
  const { clock, seals, audit, mutate, idempotency, users, sessions, secrets, nodes } = given;
  const { findDerived } = nodes;
  const now = createNow(clock);
  const reach = createReach({ now, seals });
  const targets = createTargets({ sessions, reach, findDerived });
  const deps = {
    clock,
    now,
    audit,
    writing: createWriting({ audit, mutate, idempotency, turns: createTurns() }),
    places: createPlaces({ sessions }),
    settle: createSettle({ sessions }),
    targets,
    reach,
    seenFacts: createSeenFacts({ reach, targets }),
  };
  return {
    ...createEntityCreation(deps),
    ...createObservationCreation(deps),
    ...createRelationCreation(deps),
    ...createActivityCreation({ ...deps, seals, findDerived }),
    ...createDerivedEntities({ ...deps, findDerived, users, secrets }),
    ...createUpdate(deps),
    ...createMerging(deps),
    ...createEndings(deps),
    ...createEntityDeletion(deps),
    ...createFactDeletion(deps),
  };
};
