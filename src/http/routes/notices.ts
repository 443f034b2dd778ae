import { toId } from '../../core/ids.ts';
import { readCursor } from '../../core/page.ts';
import type { Notices, Streams } from '../../notices/index.ts';
import { openEventSink } from '../event-sink.ts';
import { tokenOf } from '../gate.ts';
import type { Routes } from '../route.ts';
import * as schema from '../schemas/notices.ts';

interface Services {
  readonly notices: Pick<Notices, 'list' | 'markRead'>;
  readonly streams: Pick<Streams, 'open'>;
}

const tag = 'Events';
const requires = { anyOf: ['events:read'] } as const;

/** What the caller is told of. */
export const noticeRoutes = ({ gated }: Routes, { notices, streams }: Services): void => {
  gated({
    method: 'GET',
    url: '/notices',
    operationId: 'listNotices',
    tag,
    summary: 'What you were told of, newest first',
    description:
      'What others did, or agents, that concerns you, in the last 30 days. What you have no access to any more is left out, so that a page may be shorter than its limit.',
    requires,
    query: schema.NoticesQuery,
    status: 200,
    answer: schema.NoticeList,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { items, next_cursor } = await notices.list(caller, query.unread ?? false, page);
      return { notices: items, next_cursor };
    },
  });
  gated({
    method: 'POST',
    url: '/notices/read',
    operationId: 'markNoticesRead',
    tag,
    summary: 'Mark what you were told of as read',
    description: 'Everything up to the notice that is named, or up to the newest one. What was marked stays marked.',
    requires,
    body: schema.MarkReadBody,
    status: 204,
    answer: null,
    refuses: [404],
    handler: async (caller, { body }) => {
      await notices.markRead(caller, body.up_to === undefined ? null : toId<string>(body.up_to));
    },
  });
  gated({
    method: 'GET',
    url: '/events',
    operationId: 'streamEvents',
    tag,
    summary: 'What you are told of, as it happens',
    description:
      'Server-sent events, also of what you do yourself. A client that comes back with Last-Event-ID gets what it missed; where that cannot be told, one event stream.reset says so. The stream ends within two seconds of its login or token.',
    requires,
    status: 200,
    answer: schema.EventStream,
    answerTypes: { 'text/event-stream': schema.EventStream },
    handler: async (caller, { request, reply }) => {
      const named = request.headers['last-event-id'];
      const lastEventId = named === undefined || named === '' ? null : String(named);
      await streams.open(caller, { token: tokenOf(request), lastEventId }, () => openEventSink(reply));
    },
  });
};
