import { isPresent } from '../../access/index.ts';
import type { Caller } from '../../core/caller.ts';
import { KeyholdError, notFound } from '../../core/errors.ts';
import type { Seals } from '../../keys/index.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { ExportAnswer, ExportInput, TransferFormat } from '../operations.ts';
import type { Read, View } from '../read.ts';
import type { FindDerived } from '../write/targets.ts';
import { createCollect } from './collect.ts';
import { maxTransferBytes } from './records.ts';
import { renderDocument, renderLines } from './render.ts';

interface Deps {
  readonly read: Read;
  readonly seals: Seals;
  readonly sessions: Pick<Sessions, 'idOf'>;
  readonly findDerived: FindDerived;
}

const contentTypes: Readonly<Record<TransferFormat, string>> = {
  jsonl: 'application/jsonl',
  json: 'application/json',
};

export const createExport = ({ read, seals, sessions, findDerived }: Deps) => {
  const collect = createCollect(findDerived);

  /** Throws `not_found` unless the caller is, or was at its end, in this session. */
  const sessionOf = async ({ tx, sight }: View, name: string): Promise<string> => {
    const id = await sessions.idOf(tx, sight.caller, name);
    if (id === null) throw notFound();
    const row = await seals.loadOne(tx, 'session_participants', { session_id: id, user_id: sight.caller.userId });
    if (row === null || !isPresent(row) || (sight.onlySession !== null && sight.onlySession !== id)) throw notFound();
    return id;
  };

  /** The scopes that are exported: of those that the mode shows, all or the one that was asked for. */
  const scopesOf = async (view: View, { session_id: wanted }: ExportInput): Promise<string[]> => {
    const all = [...view.sight.scopes.values()];
    if (wanted === undefined) return all.map((scope) => scope.id);
    const session = wanted === null ? null : await sessionOf(view, wanted);
    return all.filter((scope) => scope.session_id === session).map((scope) => scope.id);
  };

  /** What the caller may see, as text that an import takes. Throws `payload_too_large` beyond 64 MiB. */
  return async (caller: Caller, input: ExportInput): Promise<ExportAnswer> => {
    const { format } = input;
    const facts = format === 'jsonl' ? 'now' : 'ever';
    const kind = { operation: 'export', facts, count: (answer: { readonly count: number }) => answer.count } as const;
    const { text, omitted } = await read(caller, input, kind, async (view) => {
      const collected = await collect(view, await scopesOf(view, input));
      const rendered = format === 'jsonl' ? renderLines(collected) : renderDocument(collected, view.sight.scopes);
      if (Buffer.byteLength(rendered.text) > maxTransferBytes)
        throw new KeyholdError('payload_too_large', 'The export has more than 64 MiB. Export one session at a time.');
      return rendered;
    });
    return { contentType: contentTypes[format], text, omitted };
  };
};
