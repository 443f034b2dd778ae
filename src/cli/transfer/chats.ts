import { createHash } from 'node:crypto';
import { sessionNamePattern } from '../../core/names.ts';

const hashLength = 16;

/**
 * The external id of the session that a chat of the old store becomes: the chat's own id where it fits. Any other is mapped
 * to what fits of it and a hash of the whole, so that two chats never become one session.
 */
export const externalIdOf = (chatId: string): string => {
  if (sessionNamePattern.test(chatId)) return chatId;
  const hash = createHash('sha256').update(chatId).digest('hex').slice(0, hashLength);
  const readable = chatId.replaceAll(/[^A-Za-z0-9._:-]+/g, '_').slice(0, 128 - hashLength - 1);
  return `${readable}-${hash}`;
};
