import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { KeyholdError } from '../../../core/errors.ts';
import type { ExportAnswer, Graph, TransferFormat } from '../../../graph/index.ts';
import { refuseCharset } from '../../body.ts';
import { maxImportBytes } from '../../import-body.ts';
import { oneOfEachUser } from '../../import-places.ts';
import type { Routes } from '../../route.ts';
import * as schema from '../../schemas/graph-answers.ts';
import * as bodies from '../../schemas/graph-bodies.ts';
import { may, tag } from './access.ts';
import { placeOf, readingOf } from './input.ts';

const importTypes = ['application/jsonl', 'application/x-ndjson', 'application/json', 'text/plain'] as const;

/** Imports and erasures of hundreds of thousands of facts take minutes. */
const handlerTimeout = 300_000;

const omittedOf = ({ omitted }: ExportAnswer): Record<string, string> => ({
  'keyhold-omitted-ended': String(omitted.ended),
  'keyhold-omitted-derived': String(omitted.derived),
  'keyhold-omitted-derived-relations': String(omitted.derived_relations),
});

export const exportRoutes = ({ gated }: Routes, graph: Graph): void => {
  gated({
    method: 'GET',
    url: '/graph/export',
    operationId: 'exportGraph',
    tag,
    summary: 'What you remember, as JSON lines or as one JSON document',
    description:
      'JSON lines are what the MCP memory server keeps; they have neither facts that ended nor derived nodes, and headers say how many. The JSON document has everything that an import can bring back.',
    requires: may.read,
    query: bodies.ExportQuery,
    handlerTimeout,
    status: 200,
    answer: schema.Export,
    answerTypes: { 'application/jsonl': schema.Export, 'application/json': schema.GraphDocument },
    answerHeaders: schema.omittedHeaders,
    handler: async (caller, { query, reply }) => {
      const { format = 'jsonl', session_id } = query;
      const answer = await graph.export(caller, { format, ...placeOf(session_id), ...readingOf(query) });
      reply.type(answer.contentType).headers(omittedOf(answer)).serializer(String);
      return answer.text;
    },
  });
  gated({
    method: 'DELETE',
    url: '/graph/me',
    operationId: 'eraseMemory',
    tag,
    summary: 'Forget everything that you and your agents remembered',
    description:
      'Your own memory, and what you or your agents recorded in any session. The answer is a receipt. An entity on which facts of others hang keeps its id, without name, attributes and author.',
    requires: may.write,
    handlerTimeout,
    status: 200,
    answer: schema.Receipt,
    handler: (caller) => graph.forgetMe(caller),
  });
};

/** Adds the import, in a scope of its own, since its body is read as a stream, whatever its type. */
export const importGraphRoute = (scope: FastifyInstance, { gated }: Routes, graph: Graph): void => {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser([...importTypes], async (request: FastifyRequest, payload: FastifyRequest['raw']) => {
    refuseCharset(request);
    return payload;
  });
  scope.addContentTypeParser('*', async () => {
    throw new KeyholdError('unsupported_media_type', `Send the body as one of ${importTypes.join(', ')}.`);
  });
  const inPlace = oneOfEachUser(scope);
  gated({
    method: 'POST',
    url: '/graph/import',
    operationId: 'importGraph',
    tag,
    summary: 'Import what a memory server or an export holds, all or none',
    description:
      'JSON lines or one JSON document of at most 64 MiB, in any order. Without "format", application/json is a document and everything else lines. What is there already is not made again. Bad lines are refused together, the first 100 of them.',
    requires: may.write,
    query: bodies.ImportQuery,
    body: bodies.ImportText,
    bodyTypes: importTypes,
    bodyLimit: maxImportBytes,
    bodyIsChecked: true,
    handlerTimeout,
    status: 200,
    answer: schema.ImportedFacts,
    refuses: [409],
    handler: (caller, { query, body, request }) => {
      const { session_id, dangling = 'refuse' } = query;
      const format = query.format ?? formatOf(request);
      const payload = Readable.from(bounded(body as unknown as Readable));
      return inPlace(request, () => graph.import(caller, { format, dangling, ...placeOf(session_id), body: payload }));
    },
  });
};

const formatOf = (request: FastifyRequest): TransferFormat =>
  request.headers['content-type']?.startsWith('application/json') &&
  !request.headers['content-type'].startsWith('application/jsonl')
    ? 'json'
    : 'jsonl';

/** The body up to its limit. A refusal must not destroy the stream, which would close the connection before the answer. */
async function* bounded(body: Readable): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxImportBytes) throw new KeyholdError('payload_too_large', 'An import can have at most 64 MiB.');
    yield chunk;
  }
}
