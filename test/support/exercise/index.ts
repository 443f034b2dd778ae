import { send } from '../http.ts';
import { exerciseExternalTokens, exercisePasswords, exerciseTokens } from './credentials.ts';
import {
  misplaceInAddresses,
  misplaceInBodies,
  misplaceInHeaders,
  misplaceInProtocols,
  misplaceInTrouble,
} from './misplaced.ts';
import { exerciseOperations } from './operations.ts';
import { exerciseRefusals } from './refusals.ts';
import { createStage, type Stage, type Target } from './stage.ts';

export { externalIssuers, hs256Secret } from './credentials.ts';
export { unexercised } from './operations.ts';
export { anyText } from './random-texts.ts';
export type { Target } from './stage.ts';

/** Exercises everything that a service answers, with planted texts, and resolves to what was planted and answered. */
export const exercise = async (target: Target, adminPassword: string) => {
  const empty = createStage(target, adminPassword);
  const admin = await empty.admin;
  const stage: Stage = { ...empty, ada: await empty.makeUser(), grace: await empty.makeUser() };
  await exerciseOperations(stage);
  await exerciseRefusals(stage);
  await exerciseTokens(stage);
  await exerciseExternalTokens(stage);
  await exercisePasswords(stage);
  await misplaceInBodies(stage);
  await misplaceInAddresses(stage);
  await misplaceInHeaders(stage);
  await misplaceInProtocols(stage);
  await misplaceInTrouble(stage);
  for (const page of ['/api/openapi.json', '/docs', '/docs/json', '/docs/static/index.html', '/nothing/here'])
    await stage.call('GET', page, { token: admin.token });
  const { secrets, texts, answers } = stage;
  const metrics = (await send(target.url, 'GET', '/metrics', { token: admin.token })).text;
  return { secrets, texts, answers, metrics };
};

export type Exercised = Awaited<ReturnType<typeof exercise>>;
