import { keepSecret, startSession } from '../people.ts';
import { between, importLine, observe, relate, remember } from '../remembered.ts';
import type { RequestContext } from './other-routes.ts';
import type { TableRequest } from './requests.ts';

/* Requests about the memory graph, each about facts of the context's session, which every kind of caller is in. */

type Make = (context: RequestContext) => TableRequest | Promise<TableRequest>;

const api = (method: string, path: string, body?: unknown): TableRequest => ({
  method,
  path: `/api/v1/graph${path}`,
  body,
});

const anEntity = ({ self, session }: RequestContext) => remember(self, {}, { session });
const anObservation = ({ self, session }: RequestContext) => observe(self, { session });
const aRelation = ({ self, session }: RequestContext) => relate(self, { session });

const onEntity =
  (method: string, suffix = '', body?: unknown): Make =>
  async (context) =>
    api(method, `/entities/${(await anEntity(context)).id}${suffix}`, body);

const ended = { invalid_at: '2999-01-01T00:00:00Z' };

export const graphRequests: Readonly<Record<string, Make>> = {
  'GET /api/v1/graph/types': () => api('GET', '/types'),
  'POST /api/v1/graph/users': ({ self: { username } }) => api('POST', '/users', { username }),
  'POST /api/v1/graph/sessions': ({ session }) => api('POST', '/sessions', { session_id: session }),
  'POST /api/v1/graph/secrets': async ({ self, session }) => {
    const { id } = await keepSecret(self, { scope: 'session', session_id: session });
    return api('POST', '/secrets', { secret_id: id });
  },
  'GET /api/v1/graph/users/{id}/sessions': ({ self }) => api('GET', `/users/${self.id}/sessions`),
  'GET /api/v1/graph/users/{id}/secrets': ({ self }) => api('GET', `/users/${self.id}/secrets`),
  'GET /api/v1/graph': () => api('GET', ''),
  'POST /api/v1/graph/entities': ({ session }) =>
    api('POST', '/entities', { entities: [{ type: 'TASK', name: `made-${session}`, session_id: session }] }),
  'GET /api/v1/graph/entities': async (context) => api('GET', `/entities?name=${(await anEntity(context)).name}`),
  'GET /api/v1/graph/entities/{id}': onEntity('GET'),
  'PATCH /api/v1/graph/entities/{id}': onEntity('PATCH', '', { tags: ['changed'] }),
  'DELETE /api/v1/graph/entities/{id}': onEntity('DELETE'),
  'POST /api/v1/graph/entities/{id}/merge': async (context) =>
    api('POST', `/entities/${(await anEntity(context)).id}/merge`, { into: (await anEntity(context)).id }),
  'GET /api/v1/graph/entities/{id}/neighbourhood': onEntity('GET', '/neighbourhood'),
  'POST /api/v1/graph/observations': async (context) => {
    const { id } = await anEntity(context);
    const observation = { entity: { id }, contents: ['new'], session_id: context.session };
    return api('POST', '/observations', { observations: [observation] });
  },
  'DELETE /api/v1/graph/observations': async (context) => {
    const { entity } = await anObservation(context);
    const observation = { entity: { id: entity.id }, contents: ['what is known of it'] };
    return api('DELETE', '/observations', { observations: [observation] });
  },
  'PATCH /api/v1/graph/observations/{id}': async (context) =>
    api('PATCH', `/observations/${(await anObservation(context)).id}`, ended),
  'POST /api/v1/graph/relations': async (context) => {
    const ends = { from: await anEntity(context), to: await anEntity(context) };
    return api('POST', '/relations', { relations: [{ ...between(ends), session_id: context.session }] });
  },
  'DELETE /api/v1/graph/relations': async (context) =>
    api('DELETE', '/relations', { relations: [between(await aRelation(context))] }),
  'PATCH /api/v1/graph/relations/{id}': async (context) =>
    api('PATCH', `/relations/${(await aRelation(context)).id}`, ended),
  'GET /api/v1/graph/search': () => api('GET', '/search?q=entity'),
  'GET /api/v1/graph/path': async (context) => {
    const { from, to } = await aRelation(context);
    return api('GET', `/path?from=${from.id}&to=${to.id}`);
  },
  'POST /api/v1/graph/activities': async ({ session }) =>
    api('POST', '/activities', { type: 'TERMINAL_ACTIVITY', content: 'Looked around.', session_id: session }),
  'GET /api/v1/graph/activities': ({ session }) => api('GET', `/activities?session_id=${session}`),
  'GET /api/v1/graph/export': () => api('GET', '/export'),
  'POST /api/v1/graph/import': ({ session }) => api('POST', `/import?format=jsonl&session_id=${session}`, importLine()),
  'DELETE /api/v1/graph/me': async ({ self }) => {
    await remember(self, {}, { session: (await startSession(self)).id });
    return api('DELETE', '/me');
  },
};
