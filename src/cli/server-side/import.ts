import type { OperatorApp } from '../../app.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { printable } from '../printable.ts';
import { externalIdOf } from '../transfer/chats.ts';
import type { Item } from '../transfer/item.ts';
import { type ReadOptions, readSecretsFile } from '../transfer/read-file.ts';
import { printSummary } from '../transfer/summary.ts';
import { asOperator } from './open.ts';

type ImportFor = Parameters<OperatorApp['secrets']['importFor']>[2];

export interface OperatorImport extends ReadOptions {
  readonly owner: string;
  readonly onConflict: ImportFor['on_conflict'];
  readonly dryRun: boolean;
}

const requestOf = (item: Item): ImportFor['items'][number] => ({
  name: item.name,
  type: item.type,
  value: item.value,
  description: item.description,
  tags: item.tags,
  expires_at: item.expiresAt,
  metadata: item.metadata,
  exposure: item.exposure,
  session:
    item.chatId === null
      ? null
      : { externalId: externalIdOf(item.chatId), metadata: { imported_chat_id: item.chatId } },
});

/** The error with the file's own name of an item in place of its index. */
const withSources = (error: unknown, items: readonly Item[]): unknown => {
  if (!(error instanceof KeyholdError)) return error;
  const message = error.message.replace(/\bitems\/(\d+)/, (whole, index: string) =>
    printable(items[Number(index)]?.source ?? whole),
  );
  const code = error.code === 'name_taken' || error.code === 'state_conflict' ? exitCodes.conflict : exitCodes.usage;
  return new CliFailure(
    error.code === 'not_found' ? exitCodes.notFound : code,
    `${message} Nothing was imported.`,
    error,
  );
};

const countChats = (items: readonly Item[]): number =>
  new Set(items.flatMap((item) => (item.chatId === null ? [] : [item.chatId]))).size;

/** `keyhold admin import`: imports a file's secrets for a user, all or none. The audit log names the operator. */
export const importForOwner = async (context: CliContext, path: string, options: OperatorImport): Promise<void> => {
  const { items, skipped } = await readSecretsFile(path, options);
  const input = { items: items.map(requestOf), on_conflict: options.onConflict, dry_run: options.dryRun };
  const imported = await asOperator('admin import', async ({ secrets }, caller) => {
    try {
      return await secrets.importFor(caller, options.owner, input);
    } catch (error) {
      throw withSources(error, items);
    }
  });
  if (!options.dryRun) context.noteChange();
  const outcomes = imported.items.map(({ index, ...rest }) => ({ ...rest, source: items[index]?.source ?? rest.name }));
  await printSummary(context, { path, outcomes, skipped, sessions: countChats(items), dryRun: options.dryRun });
};
