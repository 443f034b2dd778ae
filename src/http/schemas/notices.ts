import { Type } from 'typebox';
import { eventTypes } from '../../events/index.ts';
import { Id, Instant, nullable, PageQuery, strict } from './common.ts';

const eventExample = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e31',
  type: 'secret.shared',
  at: '2026-11-24T09:00:00.000Z',
  actor: { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e01', username: 'ada' },
  agent: null,
  user: { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e02', username: 'grace' },
  secret: { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f', name: 'OPENAI_API_KEY' },
  session: null,
  revision: 2,
  details: { user_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e02' },
};

const Named = Type.Object(
  { id: Type.String(), username: nullable(Type.String({ description: 'Null where nobody has this id any more' })) },
  { title: 'NamedUser' },
);

const eventFields = {
  id: Type.String({ description: 'The same for everybody who is told of it' }),
  type: Type.Enum(Object.keys(eventTypes), { title: 'EventType' }),
  at: Instant,
  actor: nullable(Named),
  agent: nullable(Type.String({ description: 'The agent by which the actor did it' })),
  user: nullable(Named),
  secret: nullable(
    Type.Object({
      id: Type.String(),
      name: nullable(Type.String({ description: 'Null where you have no access to it any more' })),
    }),
  ),
  session: nullable(
    Type.Object({
      id: Type.String(),
      title: nullable(Type.String({ description: 'Null where it has none, or you are in it no more' })),
    }),
  ),
  revision: nullable(Type.Integer({ description: 'The revision of the secret, by which its events can be ordered' })),
  details: Type.Record(Type.String(), Type.Unknown(), { description: 'Ids, times, numbers and closed words' }),
};

const Notice = Type.Object(
  { ...eventFields, unread: Type.Boolean() },
  { title: 'Notice', examples: [{ ...eventExample, unread: true }] },
);

export const NoticeList = Type.Object(
  { notices: Type.Array(Notice), next_cursor: nullable(Type.String()) },
  { title: 'NoticeList', examples: [{ notices: [{ ...eventExample, unread: true }], next_cursor: null }] },
);

export const NoticesQuery = strict({
  unread: Type.Optional(Type.Boolean({ description: 'Only what was not marked as read' })),
  ...PageQuery,
});

export const MarkReadBody = strict(
  { up_to: Type.Optional(Id) },
  { title: 'MarkNoticesRead', examples: [{ up_to: eventExample.id }] },
);

/** The messages of the stream: `id`, `event` and, as one line of JSON, the event in `data`. */
export const EventStream = Type.String({
  description: 'Messages with an id, the type of the event, and the event as JSON on one line of data',
  examples: [`id: q83vEjRWeJCrze8SNFZ4kA\nevent: secret.shared\ndata: ${JSON.stringify(eventExample)}\n\n`],
});
