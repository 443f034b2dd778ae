import { Type } from 'typebox';
import { Id, Instant, Metadata, nullable, PageQuery, SessionName, strict, Text } from './common.ts';

const example = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e20',
  external_id: 'chat-42',
  owner_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f',
  title: 'Deploy the billing service',
  status: 'active',
  expires_at: null,
  ended_at: null,
  idle_after: null,
  last_active_at: null,
  erase_after: null,
  cleaned_up_at: null,
  metadata: {},
  participants: [
    {
      user_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f',
      username: 'ada',
      role: 'owner',
      state: 'present',
      invited_at: null,
      joined_at: '2026-11-24T09:00:00.000Z',
    },
  ],
  created_at: '2026-11-24T09:00:00.000Z',
  updated_at: '2026-11-24T09:00:00.000Z',
};

const SessionStatus = Type.Enum(['active', 'ended'], { title: 'SessionStatus' });

const Participant = Type.Object(
  {
    user_id: Type.String(),
    username: nullable(Type.String()),
    role: Type.Enum(['owner', 'collaborator']),
    state: Type.Enum(['invited', 'present', 'left'], {
      description: 'Only the session’s owner sees who has left',
    }),
    invited_at: nullable(Instant),
    joined_at: nullable(Instant),
  },
  { title: 'SessionParticipant' },
);

export const Session = Type.Object(
  {
    id: Type.String(),
    external_id: nullable(Type.String()),
    owner_id: Type.String(),
    title: nullable(Type.String()),
    status: SessionStatus,
    expires_at: nullable(Instant),
    ended_at: nullable(Instant),
    idle_after: nullable(Type.Integer({ description: 'Seconds without a request that names it, after which it ends' })),
    last_active_at: nullable(Instant),
    erase_after: nullable(
      Type.String({ format: 'date-time', description: 'Until then, owners can take their secrets out' }),
    ),
    cleaned_up_at: nullable(Type.String({ format: 'date-time', description: 'When what was left in it was erased' })),
    metadata: Type.Record(Type.String(), Type.Unknown()),
    participants: Type.Array(Participant),
    created_at: Instant,
    updated_at: Instant,
  },
  { title: 'Session', examples: [example] },
);

const invitation = {
  id: example.id,
  title: example.title,
  invited_by: { id: example.owner_id, username: 'ada' },
  invited_at: '2026-11-24T09:00:00.000Z',
  status: 'active',
};

/** All that somebody sees of a session that they were invited to and have not joined. */
const Invitation = Type.Object(
  {
    id: Type.String(),
    title: nullable(Type.String()),
    invited_by: Type.Object({ id: Type.String(), username: nullable(Type.String()) }),
    invited_at: Instant,
    status: SessionStatus,
  },
  { title: 'SessionInvitation', examples: [invitation] },
);

export const SessionOrInvitation = Type.Union([Session, Invitation], {
  title: 'SessionOrInvitation',
  examples: [example],
});

export const SessionList = Type.Object(
  { sessions: Type.Array(SessionOrInvitation), next_cursor: nullable(Type.String()) },
  {
    title: 'SessionList',
    description: 'Invitations where the request asked for these, else sessions',
    examples: [{ sessions: [example], next_cursor: null }],
  },
);

const Title = nullable(Text({ minLength: 1, maxLength: 256 }));

/** The time of the last activity is moved once an hour. */
const IdleAfter = nullable(
  Type.Integer({
    minimum: 7200,
    maximum: 315_360_000,
    description: 'Seconds without a request that names the session, after which it ends; exact to an hour',
  }),
);

export const CreateSessionBody = strict(
  {
    external_id: Type.Optional(nullable(SessionName)),
    title: Type.Optional(Title),
    participants: Type.Optional(Type.Array(Id, { maxItems: 1000 })),
    expires_at: Type.Optional(nullable(Instant)),
    idle_after: Type.Optional(IdleAfter),
    metadata: Type.Optional(Metadata),
  },
  { title: 'CreateSessionRequest', examples: [{ external_id: 'chat-42', title: 'Deploy the billing service' }] },
);

export const ChangeSessionBody = strict(
  {
    title: Type.Optional(Title),
    expires_at: Type.Optional(nullable(Instant)),
    idle_after: Type.Optional(IdleAfter),
    metadata: Type.Optional(Metadata),
  },
  { title: 'UpdateSessionRequest', minProperties: 1, examples: [{ title: 'Deploy the billing service, again' }] },
);

export const SessionParams = strict({ id: SessionName });
export const ParticipantParams = strict({ id: SessionName, user_id: Id });
export const LeavingQuery = strict({ new_owner: Type.Optional(Id) });
export const SessionsQuery = strict({
  ...PageQuery,
  state: Type.Optional(Type.Enum(['invited', 'active', 'ended'])),
});

export const SessionEndPreview = Type.Object(
  {
    session_id: Type.String(),
    status: SessionStatus,
    erase_after: nullable(Type.String({ format: 'date-time', description: 'Null while the session is active' })),
    cleaned_up_at: nullable(Instant),
    grace_seconds: Type.Integer({ description: 'How long after its end the secrets are erased' }),
    secrets: Type.Array(
      Type.Object({
        id: Type.String(),
        name: Type.String(),
        owner_id: Type.String(),
        mine: Type.Boolean(),
        outcome: Type.Literal('erased', {
          description:
            'Cut off from everyone but its owner at the end, and erased after the grace period unless moved out',
        }),
      }),
    ),
  },
  {
    title: 'SessionEndPreview',
    description:
      'The secrets of the session that the caller can see. Once it ends, only their owners can access them, and after the grace period those that were not moved out are erased',
    examples: [
      {
        session_id: example.id,
        status: 'active',
        erase_after: null,
        cleaned_up_at: null,
        grace_seconds: 86_400,
        secrets: [
          {
            id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e30',
            name: 'DEPLOY_KEY',
            owner_id: example.owner_id,
            mine: true,
            outcome: 'erased',
          },
        ],
      },
    ],
  },
);
