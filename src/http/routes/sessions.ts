import type { Static } from 'typebox';
import type { Caller } from '../../core/caller.ts';
import { toId, type UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import { checkMetadata } from '../../core/metadata.ts';
import { readCursor } from '../../core/page.ts';
import type { Secrets } from '../../secrets/index.ts';
import type { ChangeSession, CreateSession, Sessions } from '../../sessions/index.ts';
import { optionalInstant } from '../instant.ts';
import type { Routes } from '../route.ts';
import { WhoBody } from '../schemas/common.ts';
import * as schema from '../schemas/sessions.ts';
import { whoOf } from '../who.ts';

interface Services {
  readonly sessions: Sessions;
  readonly secrets: Secrets;
}

const tag = 'Sessions';
const reading = { anyOf: ['sessions:read'] } as const;
const writing = { anyOf: ['sessions:write'] } as const;

const changeOf = (body: Static<typeof schema.ChangeSessionBody>): ChangeSession => {
  const { expires_at, metadata, ...rest } = body;
  checkMetadata(metadata as JsonObject | undefined);
  const instant = optionalInstant('expires_at', expires_at);
  return {
    ...rest,
    ...(instant === undefined ? {} : { expires_at: instant }),
    ...(metadata === undefined ? {} : { metadata: metadata as JsonObject }),
  };
};

const createOf = (body: Static<typeof schema.CreateSessionBody>): CreateSession => {
  const { external_id, participants, ...rest } = body;
  return {
    ...changeOf(rest),
    ...(external_id === undefined ? {} : { external_id }),
    ...(participants === undefined ? {} : { participants: participants.map((id) => toId<UserId>(id)) }),
  };
};

const addReading = ({ gated }: Routes, { sessions, secrets }: Services): void => {
  gated({
    method: 'GET',
    url: '/sessions',
    operationId: 'listSessions',
    tag,
    summary: 'Sessions that the caller owns or takes part in, or is invited to',
    description:
      'Newest first, ended ones included. With `state=invited`, the invitations that the caller has not answered.',
    requires: reading,
    query: schema.SessionsQuery,
    status: 200,
    answer: schema.SessionList,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { state = 'all' } = query;
      const { items, next_cursor } =
        state === 'invited' ? await sessions.invitations(caller, page) : await sessions.list(caller, state, page);
      return { sessions: items, next_cursor };
    },
  });
  gated({
    method: 'GET',
    url: '/sessions/:id',
    operationId: 'getSession',
    tag,
    summary: 'One session',
    description:
      'By Keyhold’s id or by its external id. Of a session that the caller is invited to, the invitation; looking does not join it.',
    requires: reading,
    params: schema.SessionParams,
    status: 200,
    answer: schema.SessionOrInvitation,
    refuses: [404],
    handler: (caller, { params }) => sessions.getOrInvitation(caller, params.id),
  });
  gated({
    method: 'GET',
    url: '/sessions/:id/cleanup',
    operationId: 'previewSessionEnd',
    tag,
    summary: 'What ending the session would do to the secrets in it',
    description: 'Lists the secrets of the session that the caller can see. Nothing is changed.',
    requires: reading,
    params: schema.SessionParams,
    status: 200,
    answer: schema.SessionEndPreview,
    refuses: [404],
    handler: (caller, { params }) => previewOf(sessions, secrets, caller, params.id),
  });
};

const previewOf = async (sessions: Sessions, secrets: Secrets, caller: Caller, name: string) => {
  const session = await sessions.get(caller, name);
  const seen = await secrets.inSession(caller, session.id);
  return {
    session_id: session.id,
    status: session.status,
    erase_after: session.erase_after,
    cleaned_up_at: session.cleaned_up_at,
    grace_seconds: sessions.graceSeconds,
    secrets: seen.map(({ id, name: secretName, owner_id }) => ({
      id,
      name: secretName,
      owner_id,
      mine: owner_id === caller.userId,
      outcome: 'erased',
    })),
  };
};

const addWriting = ({ gated }: Routes, { sessions }: Services): void => {
  gated({
    method: 'POST',
    url: '/sessions',
    operationId: 'createSession',
    tag,
    summary: 'Start a session',
    description:
      'The caller owns it and takes part in it; the `participants` are invited. An external issuer’s token with a session claim starts the session of that claim only.',
    outsideSession: true,
    requires: writing,
    body: schema.CreateSessionBody,
    status: 201,
    answer: schema.Session,
    idempotent: true,
    handler: (caller, { body, idempotent }) => sessions.create(caller, createOf(body), idempotent),
  });
  gated({
    method: 'PATCH',
    url: '/sessions/:id',
    operationId: 'updateSession',
    tag,
    summary: 'Change title, end time or metadata (its owner)',
    description: 'Fields that are left out stay as they are.',
    requires: writing,
    params: schema.SessionParams,
    body: schema.ChangeSessionBody,
    status: 200,
    answer: schema.Session,
    refuses: [404, 409],
    handler: (caller, { params, body }) => sessions.update(caller, params.id, changeOf(body)),
  });
  gated({
    method: 'POST',
    url: '/sessions/:id/end',
    operationId: 'endSession',
    tag,
    summary: 'End the session (its owner)',
    description: 'Only their owners can access its secrets from then on.',
    requires: writing,
    params: schema.SessionParams,
    status: 200,
    answer: schema.Session,
    refuses: [404, 409],
    handler: (caller, { params }) => sessions.end(caller, params.id),
  });
};

const addParticipating = ({ gated }: Routes, { sessions }: Services): void => {
  gated({
    method: 'POST',
    url: '/sessions/:id/participants',
    operationId: 'addParticipant',
    tag,
    summary: 'Invite a participant (its owner)',
    description:
      'They take part once they join. Inviting somebody who takes part, is invited or left by themselves changes nothing.',
    requires: writing,
    params: schema.SessionParams,
    body: WhoBody,
    status: 201,
    answer: schema.Session,
    refuses: [404, 409],
    idempotent: true,
    handler: (caller, { params, body, idempotent }) => sessions.invite(caller, params.id, whoOf(body), idempotent),
  });
  gated({
    method: 'POST',
    url: '/sessions/:id/join',
    operationId: 'joinSession',
    tag,
    summary: 'Join a session',
    description:
      'For those who were invited, or have left. Those whom its owner removed need a new invitation. Joining again changes nothing.',
    requires: writing,
    outsideSession: true,
    params: schema.SessionParams,
    status: 200,
    answer: schema.Session,
    refuses: [404, 409],
    handler: (caller, { params }) => sessions.join(caller, params.id),
  });
  gated({
    method: 'DELETE',
    url: '/sessions/:id/participants/:user_id',
    operationId: 'removeParticipant',
    tag,
    summary: 'Remove a participant (its owner), leave, or decline an invitation',
    description:
      'The other participants can no longer reach the secrets that this participant owns. An owner who leaves hands the session to `new_owner`, or to the one who has been present longest, or ends it where nobody else is present.',
    requires: writing,
    params: schema.ParticipantParams,
    query: schema.LeavingQuery,
    status: 204,
    answer: null,
    refuses: [404, 409],
    handler: (caller, { params, query }) =>
      sessions.removeParticipant(caller, {
        name: params.id,
        userId: toId<UserId>(params.user_id),
        newOwner: query.new_owner === undefined ? null : toId<UserId>(query.new_owner),
      }),
  });
};

export const sessionRoutes = (routes: Routes, services: Services): void => {
  addReading(routes, services);
  addWriting(routes, services);
  addParticipating(routes, services);
};
