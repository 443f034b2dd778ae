import { dataOf } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';
import { decodeText, readBytes, withoutMark } from '../transfer/source-file.ts';
import { inGraph, type PlaceOptions, type ReadOptions, readingOf } from './entities.ts';

/* Import, export and erasure of the memory graph. */

type Format = 'jsonl' | 'json';

const maxImportBytes = 64 * 1024 * 1024;
const timeoutMs = 300_000;

export interface ImportOptions extends PlaceOptions {
  readonly format?: Format;
  readonly dropDangling?: boolean;
}

/** One JSON document that has entities is one; a record of a memory server is a document of its own on each line. */
const formatOf = (text: string): Format => {
  try {
    const document = JSON.parse(withoutMark(text)) as { readonly entities?: unknown; readonly type?: unknown };
    return document !== null && typeof document === 'object' && !('type' in document) ? 'json' : 'jsonl';
  } catch {
    return 'jsonl';
  }
};

/** `graph import`. The content says which format it is, whatever the file is called. */
export const importFile = async (context: CliContext, file: string, options: ImportOptions): Promise<void> => {
  const bytes = file === '-' ? await context.input.all(maxImportBytes) : readBytes(file);
  const text = decodeText(bytes, file === '-' ? 'stdin' : file);
  const client = await context.client({ timeoutMs });
  const query = {
    format: options.format ?? formatOf(text),
    dangling: options.dropDangling ? ('drop' as const) : ('refuse' as const),
    ...(options.own ? { session_id: '' } : {}),
  };
  const counts = await inGraph(() => dataOf(client.POST('/api/v1/graph/import', { params: { query }, body: text })));
  const { entities, observations, relations } = counts;
  context.out.note(
    `Imported ${entities.created} entities, ${observations.created} observations and ${relations.created} relations. ${entities.existing + observations.existing + relations.existing} were there already.`,
  );
  if (relations.dropped > 0) context.out.warn(`${relations.dropped} relations to unknown names were left out.`);
  await context.out.result(counts, () => null);
};

export interface ExportOptions extends ReadOptions, PlaceOptions {
  readonly format?: Format;
}

/** `graph export` */
export const exportAll = async (context: CliContext, options: ExportOptions): Promise<void> => {
  const client = await context.client({ timeoutMs });
  const { format = context.options().json ? 'json' : 'jsonl' } = options;
  const query = { format, ...(options.own ? { session_id: '' } : {}), ...readingOf(options) };
  const { response } = await client.GET('/api/v1/graph/export', { params: { query } });
  await context.out.write(await response.text());
  const omitted = (of: string): number => Number(response.headers.get(`keyhold-omitted-${of}`) ?? 0);
  const ended = omitted('ended');
  const derived = omitted('derived') + omitted('derived-relations');
  if (ended > 0) context.out.note(`Left out ${ended} facts that have ended. --format json has them.`);
  if (derived > 0)
    context.out.note(`Left out ${derived} derived nodes and relations, which Keyhold shows of its own accord.`);
};

/** `graph erase` */
export const erase = async (context: CliContext, { yes = false }: { readonly yes?: boolean }): Promise<void> => {
  if (!yes && !context.input.canPrompt) throw usage(cannotPrompt);
  const client = await context.client({ timeoutMs });
  const question = 'Forget everything that you and your agents remembered, in every session? This cannot be undone.';
  if (!yes && !(await context.input.confirm(question))) {
    throw new CliFailure(exitCodes.interrupted, 'Nothing was forgotten.');
  }
  const receipt = await dataOf(client.DELETE('/api/v1/graph/me'));
  await context.out.result(receipt, () =>
    context.out.facts(Object.entries(receipt).map(([table, count]): [string, string] => [table, String(count)])),
  );
  context.out.note('Forgotten.');
};
