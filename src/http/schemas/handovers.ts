import { Type } from 'typebox';
import { secretNamePattern } from '../../core/names.ts';
import { Id, Instant, nullable, PageQuery, strict, Username } from './common.ts';

const person = { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f', username: 'ada' };
const example = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e50',
  kind: 'secret',
  state: 'pending',
  from: person,
  to: { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e10', username: 'grace' },
  requested_by: person,
  secret: { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e30', name: 'DEPLOY_KEY', type: 'ssh_key' },
  keep_sharing: false,
  ready_at: '2026-11-28T09:00:00.000Z',
  created_at: '2026-11-28T09:00:00.000Z',
  decided_at: null,
};

const Person = Type.Object({ id: Type.String(), username: nullable(Type.String()) }, { title: 'HandoverPerson' });

export const Handover = Type.Object(
  {
    id: Type.String(),
    kind: Type.Enum(['secret', 'user'], { description: 'One secret, or everything that a disabled user owns' }),
    state: Type.Enum(['pending', 'accepted', 'cancelled']),
    from: Person,
    to: Person,
    requested_by: Person,
    secret: nullable(
      Type.Object(
        { id: Type.String(), name: nullable(Type.String()), type: nullable(Type.String()) },
        { description: 'Its name and type are shown to its owner, and to whom it is offered' },
      ),
    ),
    keep_sharing: Type.Boolean({ description: 'Whether those with whom it is shared keep their access' }),
    ready_at: Instant,
    created_at: Instant,
    decided_at: nullable(Instant),
  },
  { title: 'Handover', examples: [example] },
);

export const HandoverList = Type.Object(
  { handovers: Type.Array(Handover), next_cursor: nullable(Type.String()) },
  { title: 'HandoverList', examples: [{ handovers: [example], next_cursor: null }] },
);

export const OfferBody = strict(
  {
    to: Type.Union([Id, Username], { description: 'The new owner, by id or username' }),
    keep_sharing: Type.Optional(
      Type.Boolean({ default: false, description: 'Whether those with whom it is shared keep their access' }),
    ),
  },
  { title: 'HandoverRequest', examples: [{ to: 'grace', keep_sharing: true }] },
);

export const AcceptQuery = strict({
  name: Type.Optional(
    Type.String({
      pattern: secretNamePattern.source,
      description: 'Takes one secret under this name, where the caller uses its own for another',
    }),
  ),
});

export const HandoverParams = strict({ id: Id });
export const HandoversQuery = strict(PageQuery);
