import { expect, it } from 'vitest';
import { startApp } from '../support/app.ts';
import { expectStatus, keepSecret, logInAdmin, people } from '../support/people.ts';

it('a schema that changes under prepared statements is trouble that passes, and no error of ours', async () => {
  const app = await startApp({ env: { KEYHOLD_DATABASE_CONNECTIONS: '2' } });
  try {
    const { ada } = await people(app, await logInAdmin(app), 'ada');
    const { id } = await keepSecret(ada, { value: 'kept' });
    const reveal = () => ada.call('GET', `/secrets/${id}/value`);
    const me = () => ada.call('GET', '/auth/me');
    for (let times = 0; times < 8; times += 1) for (const ask of [me, reveal]) expectStatus(await ask(), 200);
    await app.database.client.query(
      'alter table users add column added text; alter table secrets add column added text',
    );
    const statuses: number[] = [];
    for (let times = 0; times < 8; times += 1) for (const ask of [me, reveal]) statuses.push((await ask()).status);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(statuses).toContain(503);
    expect(statuses.slice(-2)).toEqual([200, 200]);
  } finally {
    await app.close();
  }
});
