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
    tag,
    summary: 'Sessions that one owns or is present in, newest first',
    gate: reading,
    query: schema.SessionsQuery,
    status: 200,
    answer: schema.SessionList,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { items, next_cursor } = await sessions.list(caller, page);
      return { sessions: items, next_cursor };
    },
  });
  gated({
    method: 'GET',
    url: '/sessions/:id',
    tag,
    summary: 'One session, by our id or the platform’s own',
    gate: reading,
    params: schema.SessionParams,
    status: 200,
    answer: schema.Session,
    handler: (caller, { params }) => sessions.get(caller, params.id),
  });
  gated({
    method: 'GET',
    url: '/sessions/:id/cleanup',
    tag,
    summary: 'What ending the session would do to the secrets in it',
    gate: reading,
    params: schema.SessionParams,
    status: 200,
    answer: schema.Cleanup,
    handler: (caller, { params }) => previewOf(sessions, secrets, caller, params.id),
  });
};

const previewOf = async (sessions: Sessions, secrets: Secrets, caller: Caller, name: string) => {
  const session = await sessions.get(caller, name);
  const seen = await secrets.inSession(caller, session.id);
  return {
    session_id: session.id,
    status: session.status,
    secrets: seen.map(({ id, name: secretName, owner_id }) => ({
      id,
      name: secretName,
      owner_id,
      mine: owner_id === caller.userId,
      outcome: 'cut_off',
    })),
  };
};

const addWriting = ({ gated }: Routes, { sessions }: Services): void => {
  gated({
    method: 'POST',
    url: '/sessions',
    tag,
    summary: 'Start a session',
    gate: writing,
    body: schema.CreateSessionBody,
    status: 201,
    answer: schema.Session,
    handler: (caller, { body, idempotent }) => sessions.create(caller, createOf(body), idempotent),
  });
  gated({
    method: 'PATCH',
    url: '/sessions/:id',
    tag,
    summary: 'Change title, end time or metadata (its owner)',
    gate: writing,
    params: schema.SessionParams,
    body: schema.ChangeSessionBody,
    status: 200,
    answer: schema.Session,
    handler: (caller, { params, body }) => sessions.update(caller, params.id, changeOf(body)),
  });
  gated({
    method: 'POST',
    url: '/sessions/:id/participants',
    tag,
    summary: 'Add a participant (its owner)',
    gate: writing,
    params: schema.SessionParams,
    body: WhoBody,
    status: 201,
    answer: schema.Session,
    handler: (caller, { params, body }) => sessions.addParticipant(caller, params.id, whoOf(body)),
  });
  gated({
    method: 'DELETE',
    url: '/sessions/:id/participants/:user_id',
    tag,
    summary: 'Take a participant out (its owner), or leave',
    gate: writing,
    params: schema.ParticipantParams,
    status: 204,
    answer: null,
    handler: (caller, { params }) => sessions.removeParticipant(caller, params.id, toId<UserId>(params.user_id)),
  });
  gated({
    method: 'POST',
    url: '/sessions/:id/end',
    tag,
    summary: 'End the session: at once its secrets are their owners’ alone',
    gate: writing,
    params: schema.SessionParams,
    status: 200,
    answer: schema.Session,
    handler: (caller, { params }) => sessions.end(caller, params.id),
  });
};

export const sessionRoutes = (routes: Routes, services: Services): void => {
  addReading(routes, services);
  addWriting(routes, services);
};
