import { createHash } from 'node:crypto';
import { sessionNamePattern } from '../../core/names.ts';

const hashLength = 16;

/**
 * The external id of a chat's session: the chat's own id where that is valid. Otherwise its valid characters and a hash
 * of the whole, so that two chats never share a session.
 */
export const externalIdOf = (chatId: string): string => {
  if (sessionNamePattern.test(chatId)) return chatId;
  const hash = createHash('sha256').update(chatId).digest('hex').slice(0, hashLength);
  const readable = chatId.replaceAll(/[^A-Za-z0-9._:-]+/g, '_').slice(0, 128 - hashLength - 1);
  return `${readable}-${hash}`;
};
