import type { Caller } from '../../core/caller.ts';
import type { UserId } from '../../core/ids.ts';
import { boundedText } from '../../core/text.ts';
import { maxWordLength } from '../vocabulary.ts';

/** Who writes a fact, as its row says. */
export const authorOf = (caller: Caller): { readonly author_id: UserId; readonly agent: string | null } => ({
  author_id: caller.userId,
  agent: boundedText(caller.agent, maxWordLength),
});
