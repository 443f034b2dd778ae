import type { Static } from 'typebox';
import { type HandoverId, isUuid, type SecretId, toId, type UserId } from '../../core/ids.ts';
import { readCursor } from '../../core/page.ts';
import type { Handovers, Offer } from '../../handovers/index.ts';
import type { Routes } from '../route.ts';
import { ById } from '../schemas/common.ts';
import * as schema from '../schemas/handovers.ts';

interface Services {
  readonly handovers: Handovers;
}

const tag = 'Hand-over';
const managing = { anyOf: ['secrets:manage'] } as const;
const administrator = { anyOf: ['admin'] } as const;
const either = { anyOf: ['secrets:manage', 'admin'] } as const;

const offerOf = ({ to, keep_sharing }: Static<typeof schema.OfferBody>): Offer => ({
  to: isUuid(to) ? { userId: toId<UserId>(to) } : { username: to },
  keepSharing: keep_sharing ?? false,
});

const addOffering = ({ gated }: Routes, { handovers }: Services): void => {
  gated({
    method: 'POST',
    url: '/secrets/:id/handover',
    operationId: 'offerSecret',
    tag,
    summary: 'Offer one of your secrets to a new owner',
    description:
      'Nothing changes until they accept. Then it is theirs with its versions, encrypted under their key, and you have no access unless they share it with you.',
    requires: managing,
    params: ById,
    body: schema.OfferBody,
    status: 201,
    answer: schema.Handover,
    idempotent: true,
    refuses: [404, 409],
    handler: (caller, { params, body, idempotent }) =>
      handovers.offerSecret(caller, toId<SecretId>(params.id), offerOf(body), idempotent),
  });
  gated({
    method: 'POST',
    url: '/users/:id/handover',
    operationId: 'offerSecretsOfUser',
    tag,
    summary: 'Offer everything that a disabled user owns to a new owner (administrators)',
    description:
      'It can be accepted after the waiting time (24 hours by default). Until then any administrator can cancel it, and enabling the user ends it.',
    requires: administrator,
    params: ById,
    body: schema.OfferBody,
    status: 201,
    answer: schema.Handover,
    idempotent: true,
    refuses: [404, 409],
    handler: (caller, { params, body, idempotent }) =>
      handovers.offerAll(caller, toId<UserId>(params.id), offerOf(body), idempotent),
  });
};

export const handoverRoutes = (routes: Routes, services: Services): void => {
  addOffering(routes, services);
  const { gated } = routes;
  const { handovers } = services;
  gated({
    method: 'GET',
    url: '/handovers',
    operationId: 'listHandovers',
    tag,
    summary: 'Hand-overs in which the caller gives or gets something, or which they asked for',
    description: 'Newest first. Administrators also see those of users.',
    requires: either,
    query: schema.HandoversQuery,
    status: 200,
    answer: schema.HandoverList,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { items, next_cursor } = await handovers.list(caller, page);
      return { handovers: items, next_cursor };
    },
  });
  gated({
    method: 'POST',
    url: '/handovers/:id/accept',
    operationId: 'acceptHandover',
    tag,
    summary: 'Accept what was offered to you',
    description: 'It is yours from then on, under its own name or the one you give.',
    requires: managing,
    params: schema.HandoverParams,
    query: schema.AcceptQuery,
    status: 200,
    answer: schema.Handover,
    refuses: [404, 409],
    handler: (caller, { params, query }) => handovers.accept(caller, toId<HandoverId>(params.id), query.name),
  });
  gated({
    method: 'POST',
    url: '/handovers/:id/cancel',
    operationId: 'cancelHandover',
    tag,
    summary: 'Call a hand-over off, or decline it',
    description:
      'By the giver, the receiver or the one who asked for it; for what a disabled user owns, by any administrator.',
    requires: either,
    params: schema.HandoverParams,
    status: 200,
    answer: schema.Handover,
    refuses: [404, 409],
    handler: (caller, { params }) => handovers.cancel(caller, toId<HandoverId>(params.id)),
  });
};
